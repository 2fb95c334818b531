"""Results as the page shows them: the table of scores, their intervals side by side, and the confusions of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from jointwise.evaluation.metrics import telling_ranks
from jointwise.evaluation.protocols import protocol_title
from jointwise.evaluation.references import TITLES, in_words, warning_of
from jointwise.evaluation.results import INITIALISATIONS
from jointwise.report.page import charts
from jointwise.report.page.confusion import ClassScore, Confusion, Pair
from jointwise.report.page.heat_map import has_hover_counts, heat_map
from jointwise.report.page.provenance import Origin, device, known_facts, labels_in_words, parameters, result_origin
from jointwise.report.page.reading import Facts, Result
from jointwise.report.page.reliability import draw_reliability
from jointwise.report.page.runs import Chart
from jointwise.report.page.scales import NOTHING, count, percent, short
from jointwise.report.tables.completions import MEASURES, shown

MOST_PAIRS = 6


@dataclass(frozen=True)
class CompletionView:
    """A result of protocol `complete` as the page prints it.

    Args:
        system: Name of the system.
        initialisation: Where its weights come from.
        seed: Seed.
        unit: Unit of the errors.
        errors: (value, interval) of each of MEASURES.
    """

    system: str
    initialisation: str
    seed: str
    unit: str
    errors: tuple[tuple[str, str], ...]


def view_completion(facts: Facts) -> CompletionView:
    """A completion as the page prints it.

    Args:
        facts: Content of the result file.
    """
    scores, intervals = facts.within("scores"), facts.within("interval")

    def error(key: str) -> tuple[str, str]:
        value, interval = scores.number(key), intervals.interval(key)
        return (
            NOTHING if value is None else shown(value),
            "" if interval is None else " – ".join(map(shown, interval)),
        )

    initialisation = facts.text("initialisation") or NOTHING
    return CompletionView(
        facts.text("system") or NOTHING,
        INITIALISATIONS.get(initialisation, initialisation),
        facts.text("seed") or NOTHING,
        facts.text("unit") or NOTHING,
        tuple(error(key) for key in MEASURES),
    )


@dataclass(frozen=True)
class Score:
    """A share in [0, 1] and its interval.

    Args:
        value: The share; None if the file has none.
        interval: Low and high end; None if the file has none.
    """

    value: float | None
    interval: tuple[float, float] | None

    @property
    def shown(self) -> str:
        """The value in percent."""
        return percent(self.value)

    @property
    def range_shown(self) -> str:
        """The interval in percent; empty when there is none."""
        return "" if self.interval is None else f"{percent(self.interval[0])} – {percent(self.interval[1])}"


@dataclass(frozen=True)
class ResultView:
    """A result as the page prints it.

    Args:
        system: Name of the system.
        initialisation: Where its weights come from.
        protocol: Name of the protocol, with pooling and encoder where they are not the usual ones.
        labels: Amount of labels.
        seed: Seed, and fold where there is one.
        top1: Top-1 accuracy.
        top5: Top-5 accuracy.
        seconds: Per epoch of pre-training, of fine-tuning.
        parameters: Of the encoder, of the pre-training model, of the fine-tuned model.
        facts: (name, text) pairs.
        warnings: What a reader should know before trusting the figures.
        origin: Provenance.
        confusion: Confusions; None without scores of single clips.
        reliability: Stated probabilities beside accuracy, drawn; None where scores are no probabilities.
    """

    system: str
    initialisation: str
    protocol: str
    labels: str
    seed: str
    top1: Score
    top5: Score
    seconds: tuple[str, str]
    parameters: tuple[str, str, str]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    origin: Origin
    confusion: Confusion | None
    reliability: Chart | None = None

    @property
    def details(self) -> str:
        """What distinguishes this result from others of its system."""
        formats = {
            self.initialisation: "{}",
            self.protocol: "{}",
            self.labels: "{}\u00a0labels",
            self.seed: "seed\u00a0{}",
        }
        return "\u00a0· ".join(words.format(text) for text, words in formats.items() if text != NOTHING)

    @property
    def has_hover_counts(self) -> bool:
        """Whether the cells of the confusion matrix show their counts when hovered."""
        return self.confusion is not None and has_hover_counts(self.confusion)

    @cached_property
    def heat_map(self) -> Markup:
        """The confusion matrix, drawn."""
        return heat_map(self.confusion) if self.confusion else Markup()

    @cached_property
    def classes(self) -> list[ClassScore]:
        """Every class, best recognised first."""
        return self.confusion.classes() if self.confusion else []

    @cached_property
    def pairs(self) -> list[Pair]:
        """The pairs confused most often."""
        return self.confusion.pairs()[:MOST_PAIRS] if self.confusion else []


def _features(facts: Facts) -> str:
    """`, pooling <name>` if the result names a pooling, and `, teacher` if the encoder is not the student."""
    pooling, encoder = facts.text("pooling"), facts.text("encoder")
    words = [f"pooling {pooling}" if pooling else "", "teacher" if encoder == "teacher" else ""]
    return "".join(f", {word}" for word in words if word)


def view_result(result: Result) -> ResultView:
    """A result as the page prints it.

    Args:
        result: A result of any protocol but `complete`.
    """
    facts = result.facts
    scores = facts.within("scores")
    top5 = _top5(facts)
    seconds = facts.within("seconds_per_epoch")
    seed = facts.text("seed") or NOTHING
    fold = facts.text("fold")
    protocol = facts.text("protocol") or NOTHING
    initialisation, memory = facts.text("initialisation") or NOTHING, facts.number("peak_memory_mb")
    named_facts = {
        "top-1": percent(scores.number("top1"), unit=True),
        "top-5": None if top5.value is None else percent(top5.value, unit=True),
        "beside it": in_words(_references(facts)) or None,
        "macro F1": percent(scores.number("macro_f1"), unit=True),
        "test clips": count(clip_count(result)),
        "peak memory": None if memory is None else f"{count(memory)} MB",
        "GFLOPs per clip": short(facts.number("gflops")),
        "device": device(facts),
    }
    return ResultView(
        system=facts.text("system") or NOTHING,
        initialisation=INITIALISATIONS.get(initialisation, initialisation),
        protocol=protocol_title(protocol) + _features(facts),
        labels=labels_in_words(facts.text("labels")),
        seed=seed + (f", fold {fold}" if fold else ""),
        top1=_score(facts, "top1"),
        top5=top5,
        seconds=(short(seconds.number("pretrain")), short(seconds.number("finetune"))),
        parameters=parameters(facts),
        facts=known_facts(named_facts),
        warnings=result_warnings(result),
        origin=result_origin(result),
        confusion=result.confusion,
        reliability=draw_reliability(result.reliability),
    )


def _score(facts: Facts, key: str) -> Score:
    return Score(facts.within("scores").number(key), facts.within("interval").interval(key))


def _references(facts: Facts) -> dict[str, float]:
    """The accuracies that need no training; empty in results from before they were computed."""
    found = {key: facts.within("references").number(key) for key in TITLES}
    return {key: value for key, value in found.items() if value is not None}


def _top5(facts: Facts) -> Score:
    """The top-5 accuracy; without a value where 5 classes or fewer make it 100 % of any answers."""
    told = 5 in telling_ranks(len(facts.names("classes"))) or not facts.names("classes")
    return _score(facts, "top5") if told else Score(None, None)


def clip_count(result: Result) -> float | None:
    """How many test clips a result has; None if unknown."""
    if result.confusion is not None:
        return float(result.confusion.counts.sum())
    return result.facts.within("split").number("test")


def result_warnings(result: Result) -> tuple[str, ...]:
    """What a reader should know before trusting the figures of a result."""
    top1 = result.facts.within("scores").number("top1")
    below = "" if top1 is None else warning_of(top1, _references(result.facts))
    return (*_inconsistencies(result), *([below] if below else []))


def _inconsistencies(result: Result) -> tuple[str, ...]:
    """What does not fit together in the files of a result."""
    if result.confusion is None:
        return ("The per-clip scores (.npz) do not lie beside this result, so its classes cannot be shown.",)
    stated_top1, counted = result.facts.within("scores").number("top1"), result.confusion.accuracy
    clips = result.confusion.counts.sum()
    if stated_top1 is not None and abs(stated_top1 - counted) > max(0.005, 1.5 / clips):
        return (
            f"The result states a top-1 of {percent(stated_top1, unit=True)}, but its per-clip scores give "
            f"{percent(counted, unit=True)}: the two files may not belong together.",
        )
    return ()


def describe_intervals(results: Sequence[Result]) -> str:
    """Level and method of the intervals in the files, in words; empty when they have none."""
    kinds: dict[str, None] = {}
    for result in results:
        interval = result.facts.within("interval")
        level, method = interval.number("level"), interval.text("method")
        if level is not None or method is not None:
            share = "" if level is None else f"{100 * level:g} % "
            kinds[f"{share}intervals" + (f" ({method})" if method else "")] = None
    return "; ".join(kinds)


@dataclass(frozen=True)
class Whiskers:
    """Top-1 of all results on one axis.

    Args:
        rows: (result, its drawing), of the results that have a score.
        strip: The axis below them.
    """

    rows: tuple[tuple[ResultView, Markup], ...]
    strip: Markup


def draw_whiskers(views: Sequence[ResultView]) -> Whiskers | None:
    """Draw the scores with their intervals side by side.

    Args:
        views: Results, in the order of the page.

    Returns:
        The rows and their axis; None when no result has a score.
    """
    values = [
        value
        for view in views
        if view.top1.value is not None
        for value in (view.top1.value, *(view.top1.interval or ()))
    ]
    if not values:
        return None
    axis = charts.value_axis(values, as_percent=True)
    rows = []
    for view in views:
        if view.top1.value is not None:
            words = f"{view.system}, {view.details}: top-1 {view.top1.shown} percent"
            words += f", interval {view.top1.range_shown}" if view.top1.interval else ""
            rows.append((view, charts.interval_track(axis, view.top1.value, view.top1.interval, words)))
    return Whiskers(tuple(rows), charts.axis_strip(axis))
