"""The report: runs and results as one HTML page that needs no network and no other file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from jointwise.config.recipes import QUICK_NOTE
from jointwise.data.whole_files import write_text
from jointwise.evaluation.protocols import protocol_title
from jointwise.report.page.charts import share_bar
from jointwise.report.page.heat_map import shade
from jointwise.report.page.reading import Facts, Result, Run, read_result, read_run
from jointwise.report.page.results import (
    ResultView,
    clip_count,
    describe_intervals,
    draw_whiskers,
    view_completion,
    view_result,
)
from jointwise.report.page.runs import STAGE_TITLES, RunView, view_run
from jointwise.report.page.scales import count, join_words, percent
from jointwise.report.page.skeletons import make_playback
from jointwise.report.tables.completions import MEASURES, is_completion
from jointwise.report.templates import templates
from jointwise.report.viewer import MOST_BYTES, clips_that_fit, printable, script_policy, viewer

__all__ = ["write_report"]


def write_report(out: Path, title: str, runs: Sequence[Path], results: Sequence[Path]) -> Path:
    """Write the report of runs and results.

    Args:
        out: Where the page is written; its folder is made.
        title: Title of the page.
        runs: Run folders; may be empty.
        results: Result files (`.json`, with `.npz` files of the same names beside them); may be empty.

    Returns:
        `out`.

    Raises:
        DataError: One of the files is missing or damaged.
        StorageError: The page cannot be written.
    """
    read_runs, read_results = [read_run(folder) for folder in runs], [read_result(path) for path in results]
    page = render_page(title, read_runs, read_results)
    write_text(out, page)
    return out


def render_page(title: str, runs: Sequence[Run], results: Sequence[Result]) -> str:
    """The HTML of the report, with as many details as fit below `MOST_BYTES`.

    Args:
        title: Title of the page.
        runs: Training stages, in the order of the page.
        results: Results, in the order of the page.
    """
    environment = templates(Path(__file__).parent)
    environment.globals |= {"percent": percent, "count": count, "share_bar": share_bar, "shade": shade}
    terms = terms_of_use(runs, results)
    completions = [view_completion(result.facts) for result in results if is_completion(result.facts.values)]
    results = [result for result in results if not is_completion(result.facts.values)]
    result_views = [view_result(result) for result in results]
    run_views = [view_run(run) for run in runs]
    origins = ([view.origin for view in run_views], [view.origin for view in result_views])
    playback = make_playback(runs, results)
    content = {
        "title": title,
        "summary": summarise(runs, results),
        "runs": run_views,
        "results": result_views,
        "completions": completions,
        "measures": tuple(MEASURES.values()),
        "whiskers": draw_whiskers(result_views),
        "intervals": describe_intervals(results),
        "terms": terms,
        "notes": [f"This is {QUICK_NOTE}."] if _is_quick(runs, results) else [],
    }

    def render(details: Details, player: Markup | str, dropped: int = 0) -> str:
        playing = playback if player or not dropped else None
        return printable(
            environment.get_template("page.html").render(
                content,
                matrices=details.matrices,
                detailed=details.detailed,
                configured=[origin for kind in origins for origin in kind[: details.detailed]],
                left_out=_left_out(result_views, run_views, details),
                playback=playing,
                viewer=player,
                dropped=dropped,
                policy=Markup(script_policy()) if playing else "",
            )
        )

    limit = MOST_BYTES // 2 if playback else MOST_BYTES  # half of the page is reserved for the clips
    for details in _detail_levels(len(results), len(runs)):
        page = render(details, "")
        if len(page.encode()) <= limit:
            break
    if playback is None:
        return page
    other_bytes = len(page.encode())
    clips = clips_that_fit(playback.clips, other_bytes)
    player = viewer(clips, other_bytes) if clips else ""
    return render(details, player, len(playback.clips) - len(clips))


@dataclass(frozen=True)
class Details:
    """How much a report shows of its results and runs, so that it does not become too long.

    Args:
        matrices: How many of the first results have their confusion matrix.
        detailed: How many of the first results have the accuracy of each class, and of the first runs their curves;
            both have their configuration.
    """

    matrices: int
    detailed: int


def _detail_levels(results: int, runs: int) -> Iterator[Details]:
    """Fewer and fewer details, beginning with all."""
    matrices, detailed = results, max(results, runs)
    yield Details(matrices, detailed)
    while matrices:
        matrices //= 2
        yield Details(matrices, detailed)
    while detailed:
        detailed //= 2
        yield Details(0, detailed)


def _is_quick(runs: Sequence[Run], results: Sequence[Result]) -> bool:
    """Whether --quick made anything of this."""
    of_results = any(result.facts.within("config").values.get("quick") for result in results)
    return of_results or any(re.search("^quick: true$", run.config, re.MULTILINE) for run in runs)


def _left_out(results: Sequence[ResultView], runs: Sequence[RunView], details: Details) -> list[str]:
    """The sentence on what the page does not show; none where it shows everything."""
    missing = {
        "confusion matrices": sum(view.confusion is not None for view in results[details.matrices :]),
        "tables of classes": sum(view.confusion is not None for view in results[details.detailed :]),
        "runs' curves": sum(bool(view.charts) for view in runs[details.detailed :]),
    }
    words = join_words([f"{number} {what}" for what, number in missing.items() if number])
    return [f"Left out to keep this page small: {words}. Report fewer at a time to see them."] if words else []


def summarise(runs: Sequence[Run], results: Sequence[Result]) -> str:
    """One sentence: which systems were trained on which data, and how they were evaluated."""
    parts = []
    if runs:
        facts = [run.facts for run in runs]
        stages = [STAGE_TITLES.get(stage, stage).lower() for stage in _different(facts, "stage")]
        number = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
        parts.append(
            f"{join_words(stages) or 'training'} of {_names(facts, 'system')} on {_names(facts, 'data')} ({number})"
        )
    if results:
        facts = [result.facts for result in results]
        protocols = [protocol_title(protocol) for protocol in _different(facts, "protocol")]
        number = f"{len(results)} result{'s' if len(results) > 1 else ''}"
        about = "" if runs else f" of {_names(facts, 'system')} on {_names(facts, 'data')}"
        parts.append(f"{number}{about}" + (f" ({', '.join(protocols)})" if protocols else "") + _test_clips(results))
    sentence = "; ".join(parts) or "no runs and no results yet"
    return sentence[0].upper() + sentence[1:] + "."


def _test_clips(results: Sequence[Result]) -> str:
    """The test clips, classes and splits of the results, where all of them agree."""
    clips = {clip_count(result) for result in results} - {None}
    classes = {len(result.facts.names("classes")) for result in results} - {0}
    splits = _different([result.facts.within("split") for result in results], "name")
    words = f" on {count(clips.pop())} test clips" if len(clips) == 1 else ""
    words += f" of {classes.pop()} classes" if len(classes) == 1 and words else ""
    if splits:
        words += f", split{'s' if len(splits) > 1 else ''}: {join_words(splits)}"
    return words


def terms_of_use(runs: Sequence[Run], results: Sequence[Result]) -> list[tuple[str, str | None]]:
    """(data set, terms of use), each once, of the data sets that have terms."""
    found = [(result.facts.text("data") or "the data", result.facts.text("terms")) for result in results]
    found += [
        (run.examples.data, run.examples.terms)
        for run in runs
        if run.examples is not None and not run.facts.objects("mixture")  # a pool: its sets say theirs
    ]
    found += [
        (member.text("data") or "a set", member.text("terms"))
        for run in runs
        for member in run.facts.objects("mixture")
    ]
    return list(dict.fromkeys((data, terms) for data, terms in found if terms))


def _different(facts: Iterable[Facts], key: str) -> list[str]:
    return list(dict.fromkeys(text for fact in facts if (text := fact.text(key))))


def _names(facts: Iterable[Facts], key: str) -> str:
    return join_words(_different(facts, key)) or f"an unnamed {key}"
