"""The page of a comparison: offline, with the curves of all systems, whatever state their runs are in."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from helpers.made_pages import NASTY, Balance, make_run, text_of
from jointwise.config.systems import SYSTEMS
from jointwise.report.page.comparison import style, write_comparison
from jointwise.report.tables.text_table import Grid

STYLE_SHEET = Path(write_comparison.__code__.co_filename).with_name("style.css")


def run(folder: Path, system: str, stage: str = "pretrain", labels: str = "none", **metrics: float) -> Path:
    records: list[dict[str, object]] = [
        {"step": step, "loss": 1.0 / step, **{key: value / step for key, value in metrics.items()}}
        for step in range(1, 31)
    ]
    make_run(folder, records, system=system, stage=stage)
    (folder / "about.json").write_text(json.dumps({"stage": stage, "system": system, "labels": labels, "seed": 0}))
    return folder


RESULT = {"data": "tiny", "terms": "research only", "interval": {"method": "bootstrap"}, "command": "jointwise x",
          "commit": "abc123"}  # fmt: skip


@pytest.fixture
def page(tmp_path: Path) -> str:
    runs = [
        run(tmp_path / "a", "mamp", latent=0.0, reconstruction=2.0),
        run(tmp_path / "b", "spatial", latent=1.0, reconstruction=0.0, effective_rank=9.0, teacher_spread=1.0),
        run(tmp_path / "c", "spatial", latent=77.0),  # a second seed
        run(tmp_path / "d", "mamp", "finetune", "0.1", train_top1=0.123),
        run(tmp_path / "e", "mamp", "finetune", "1.0", train_top1=0.9),
    ]
    (tmp_path / "b" / "run.json").unlink()  # an unfinished run
    grid = Grid(("system", "top-1 %"), [("mamp", "12.3 (1.0–20.0)"), (NASTY, "–")], "what it means")
    tables = {"Accuracy": grid, "Nothing": Grid(("system",), [])}
    out = write_comparison(tmp_path / "new" / "table.html", f"T {NASTY}", tables, runs, [RESULT, RESULT])
    return out.read_text(encoding="utf-8")


def test_the_page_asks_for_nothing_from_outside_and_is_well_formed(page: str) -> None:
    assert not re.search(r"(src|href|action)\s*=\s*[\"']?\s*(https?:)?//", page)
    assert not re.search(r"url\(|@import|<script|https?:", page)
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert len(page.encode()) < 60_000


def test_tables_origins_and_terms_are_on_it_and_markup_is_shown_not_obeyed(page: str) -> None:
    words = text_of(page)
    for shown in ("12.3 (1.0–20.0)", "what it means", "research only", "jointwise x # abc123", "95 %, bootstrap"):
        assert shown in words
    assert "1 commands made" in words
    assert NASTY not in page
    assert NASTY in words


def test_every_system_has_a_curve_in_each_chart_of_what_it_logged(page: str) -> None:
    drawings = {}
    for figure in re.findall(r"<figure>(.*?)</figure>", page, re.DOTALL):
        title = re.findall(r"<h4>(.*?)</h4>", figure)[0]
        label = unescape(re.findall(r'aria-label="(.*?)"', figure)[0])
        drawings[unescape(title)] = (label, re.findall(r'class="line (.*?)"', figure))
    latent, curves = drawings["Latent loss L_st"]
    assert "spatial (last 0.0333): from 1 to 0.0333" in latent  # the first seed, not the second
    assert "mamp" not in latent  # it has no teacher: its zeros are no curve
    assert curves == [style("spatial")]
    assert drawings["Reconstruction loss L_rec"][1] == [style("mamp")]
    assert "mamp (last 0.03): from 0.9 to 0.03" in drawings["Training accuracy (%)"][0]  # of the most labels
    legends = re.findall(r'<ul class="legend systems">(.*?)</ul>', page, re.DOTALL)
    assert [re.findall(r"</svg>(.*?)</li>", legend) for legend in legends] == [["mamp", "spatial"], ["mamp"]]


def test_every_system_has_a_style_of_its_own_that_the_style_sheet_knows_in_both_themes() -> None:
    styles = {(system.colour, system.stroke) for system in SYSTEMS}
    assert len(styles) == len(SYSTEMS)
    sheet = STYLE_SHEET.read_text()
    for colour, stroke in styles:
        assert len(re.findall(rf"--c{colour}: #", sheet)) == 2
        assert f".c{colour} {{" in sheet
        assert stroke == "solid" or f".{stroke}.line {{" in sheet


def test_a_collapsed_run_is_named(tmp_path: Path) -> None:
    runs = [run(tmp_path / "a", "spatial", teacher_spread=1.0)]  # 1, 1/2, … 1/30: below a twentieth of its largest
    words = text_of(write_comparison(tmp_path / "t.html", "T", {}, runs, []).read_text(encoding="utf-8"))
    assert "Collapse watch. spatial: Collapsed: the teacher's features spread" in words


def test_without_runs_or_tables_there_is_still_a_page(tmp_path: Path) -> None:
    assert "Empty" in text_of(write_comparison(tmp_path / "t.html", "Empty", {}, [], []).read_text(encoding="utf-8"))


def test_only_the_long_columns_of_a_table_may_wrap_so_that_the_last_one_stays_in_sight(tmp_path: Path) -> None:
    grid = Grid(("finding", "compared", "verdict"), [("a", "b − c", "holds")], pages_only=("compared",))
    page = write_comparison(tmp_path / "table.html", "T", {"Findings": grid}, [], [RESULT]).read_text(encoding="utf-8")
    assert '<td class="long">b − c</td>' in page
    assert "<td>holds</td>" in page
