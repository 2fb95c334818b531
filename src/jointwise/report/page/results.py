"""What the page says about results: the table of scores, whiskers side by side, and each one's confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from jointwise.evaluation.protocols import protocol_title
from jointwise.evaluation.results import INITIALISATIONS
from jointwise.report.page import charts
from jointwise.report.page.confusion import ClassScore, Confusion, Pair
from jointwise.report.page.provenance import Origin, device, labels_in_words, parameters, result_origin, stated
from jointwise.report.page.reading import Facts, Result
from jointwise.report.page.scales import NOTHING, count, percent, short
from jointwise.report.tables.completions import MEASURES, shown

MOST_PAIRS = 6


@dataclass(frozen=True)
class CompletionView:
    """A result of protocol `complete` as the page prints it; errors: value and range of each of MEASURES."""

    system: str
    initialisation: str
    seed: str
    unit: str
    errors: tuple[tuple[str, str], ...]


def view_completion(facts: Facts) -> CompletionView:
    """What the page prints about a completion."""
    scores, intervals = facts.within("scores"), facts.within("interval")

    def error(key: str) -> tuple[str, str]:
        value, interval = scores.number(key), intervals.interval(key)
        return (
            NOTHING if value is None else shown(value),
            "" if interval is None else " – ".join(map(shown, interval)),
        )

    start = facts.text("initialisation") or NOTHING
    return CompletionView(
        facts.text("system") or NOTHING,
        INITIALISATIONS.get(start, start),
        facts.text("seed") or NOTHING,
        facts.text("unit") or NOTHING,
        tuple(error(key) for key in MEASURES),
    )


@dataclass(frozen=True)
class Measured:
    """A share in [0, 1] with its interval, either of which a file may not know."""

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
    """A result as the page prints it."""

    system: str
    initialisation: str
    protocol: str
    labels: str
    seed: str
    top1: Measured
    top5: Measured
    seconds: tuple[str, str]  # per epoch of pre-training, of fine-tuning
    parameters: tuple[str, str, str]  # encoder, pre-training, fine-tuned
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    origin: Origin
    confusion: Confusion | None

    @property
    def details(self) -> str:
        """What sets this result apart from others of its system."""
        known = {
            self.initialisation: "{}",
            self.protocol: "{}",
            self.labels: "{}\u00a0labels",
            self.seed: "seed\u00a0{}",
        }
        return "\u00a0· ".join(words.format(text) for text, words in known.items() if text != NOTHING)

    @property
    def hovers(self) -> bool:
        """Whether the cells of the confusion matrix say their counts when hovered."""
        return self.confusion is not None and charts.hovers(self.confusion)

    @cached_property
    def heat_map(self) -> Markup:
        """The confusion matrix, drawn."""
        return charts.heat_map(self.confusion) if self.confusion else Markup()

    @cached_property
    def classes(self) -> list[ClassScore]:
        """Every class, best recognised first."""
        return self.confusion.classes() if self.confusion else []

    @cached_property
    def pairs(self) -> list[Pair]:
        """The pairs confused most often."""
        return self.confusion.pairs()[:MOST_PAIRS] if self.confusion else []


def _features(facts: Facts) -> str:
    """Which features were judged, where it is not the student's with the head's own pooling."""
    pooling, encoder = facts.text("pooling"), facts.text("encoder")
    named = [f"pooling {pooling}" if pooling else "", "teacher" if encoder == "teacher" else ""]
    return "".join(f", {name}" for name in named if name)


def view_result(result: Result) -> ResultView:
    """Everything the page prints about a result."""
    facts = result.facts
    scores, seconds = facts.within("scores"), facts.within("seconds_per_epoch")
    seed, fold, protocol = facts.text("seed") or NOTHING, facts.text("fold"), facts.text("protocol") or NOTHING
    initialisation, memory = facts.text("initialisation") or NOTHING, facts.number("peak_memory_mb")
    shown = {
        "top-1": percent(scores.number("top1"), unit=True),
        "top-5": percent(scores.number("top5"), unit=True),
        "macro F1": percent(scores.number("macro_f1"), unit=True),
        "test clips": count(clips_of(result)),
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
        top1=_measured(facts, "top1"),
        top5=_measured(facts, "top5"),
        seconds=(short(seconds.number("pretrain")), short(seconds.number("finetune"))),
        parameters=parameters(facts),
        facts=stated(shown),
        warnings=result_warnings(result),
        origin=result_origin(result),
        confusion=result.confusion,
    )


def _measured(facts: Facts, key: str) -> Measured:
    return Measured(facts.within("scores").number(key), facts.within("interval").interval(key))


def clips_of(result: Result) -> float | None:
    """How many clips the result was judged on."""
    if result.confusion is not None:
        return float(result.confusion.counts.sum())
    return result.facts.within("split").number("test")


def result_warnings(result: Result) -> tuple[str, ...]:
    """What a reader should know before trusting the figures of a result."""
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
    """Which intervals the files give, in words; empty when they give none."""
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
    """Top-1 of all results on one axis: a track for each result that has a score, and the axis below them."""

    rows: tuple[tuple[ResultView, Markup], ...]
    strip: Markup


def draw_whiskers(views: Sequence[ResultView]) -> Whiskers | None:
    """The scores with their intervals side by side; None when no result has a score."""
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
