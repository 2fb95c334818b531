"""The site of the documentation: what it is built from, and that it asks no other server for anything."""

import html
import os
import re
import subprocess
import sys
import typing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mkdocs")

import importlib.util

import jointwise
from helpers import tiny
from jointwise.config.systems import SYSTEMS
from jointwise.data.formats import FORMATS
from jointwise.data.layouts import layout_names, load_layout

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: a link or an anchor that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def hooks() -> Any:
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def content(page: Path) -> str:
    """What a page says, without the parts that all pages share."""
    return page.read_text("utf-8").partition("<article")[2].partition("</article>")[0]


@pytest.mark.slow
def test_every_page_of_docs_is_a_page_of_the_site_and_none_asks_another_server(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    wanted = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    built = {page.relative_to(site).as_posix() for page in pages}
    assert {name.replace("README", "index") for name in wanted} <= built
    loads = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//|<link\b[^>]*href=[\"']?https?://"
    )
    asks = re.compile(r"(?:url\(|@import )[\"']?https?:")
    assert not [page for page in pages if loads.search(page.read_text("utf-8"))]
    assert not [sheet for sheet in site.rglob("*.css") if asks.search(sheet.read_text("utf-8"))]


@pytest.mark.slow
def test_formats_and_layouts_are_those_of_the_registries(site: Path) -> None:
    formats = content(site / "formats.html")
    assert all(f"<code>{name}</code>" in formats for name in FORMATS)
    layouts = content(site / "layouts.html")
    for name in layout_names():
        section = layouts.partition(f'id="{name}"')[2].partition("<h2")[0]
        assert "<svg" in section, name
        assert all(f"<code>{joint}</code>" in section for joint in load_layout(name).joints), name


@pytest.mark.slow
def test_every_public_name_is_on_a_page_of_the_api(site: Path) -> None:
    found = "".join(content(page) for page in (site / "api").glob("*.html"))
    for name in jointwise.__all__:
        assert re.search(rf'id="jointwise\.[\w.]+\.{name}"', found), name
    assert "&gt;&gt;&gt;" in found
    assert "<blockquote>" not in found, "an example that became a quotation"


def classes_in(annotation: Any) -> set[str]:
    """The names of the classes of the package in a type, such as Segment in list[Segment]."""
    inside = set().union(*(classes_in(part) for part in typing.get_args(annotation)))
    own = isinstance(annotation, type) and annotation.__module__.startswith("jointwise.")
    return inside | ({annotation.__name__} if own else set())


@pytest.mark.slow
@pytest.mark.parametrize("of", ["Recognizer", "Sequence", "read", "load_dataset", "formats"])
def test_what_public_functions_return_is_on_a_page_of_the_api(site: Path, of: str) -> None:
    found = "".join(content(page) for page in (site / "api").glob("*.html"))
    thing = getattr(jointwise, of)
    methods = [value for name, value in vars(thing).items() if not name.startswith("_")] if of[0].isupper() else [thing]
    functions = [getattr(method, "__func__", getattr(method, "fget", method)) for method in methods]
    returned = [typing.get_type_hints(one).get("return") for one in functions if callable(one)]
    for name in set().union(*map(classes_in, returned)):
        assert re.search(rf'id="jointwise\.[\w.]+\.{name}"', found), name


@pytest.mark.slow
def test_equations_are_mathml_of_which_every_command_is_known(site: Path) -> None:
    text = content(site / "method.html")
    equations = re.findall(r"<math.*?</math>", text, re.DOTALL)
    assert len(equations) > 50
    assert not [equation for equation in equations if "\\" in html.unescape(equation)]
    assert 'class="arithmatex"' not in text


@pytest.mark.slow
def test_links_to_other_sites_are_listed(site: Path) -> None:
    lines = (site / "links-to-other-sites.txt").read_text("utf-8").splitlines()
    assert all(re.match(r"https?://\S+  \S+", line) for line in lines)


def test_the_pages_of_an_index_become_a_section(hooks: Any) -> None:
    pages = hooks.pages_of_index(DOCS / "how-to" / "README.md")
    use, extend = (next(iter(item.values())) for item in pages)
    assert use[0] == "how-to/train-on-your-own-recordings.md"
    assert "how-to/add-an-objective.md" in extend
    assert hooks.pages_of_index(DOCS / "tutorials" / "README.md")[0] == "tutorials/own-recordings.md"


def test_links_out_of_docs_lead_to_pages_of_the_site_or_stop_the_build(hooks: Any) -> None:
    def rendered(text: str, place: str) -> str:
        page = SimpleNamespace(file=SimpleNamespace(src_uri=place), is_homepage=False, meta={})
        done: str = hooks.on_page_markdown(text, page, None, None)
        return done

    assert rendered("[log](../lab/LOG.md#a)", "data.md") == "[log](log.md#a)"
    assert rendered("[log](../../lab/LOG.md)", "how-to/x.md") == "[log](../log.md)"
    assert rendered("[data](../docs/data.md)", "log.md") == "[data](data.md)"
    assert rendered("[here](other.md#b)", "how-to/x.md") == "[here](other.md#b)"
    with pytest.raises(ValueError, match=r"docs/data\.md: \.\./Makefile is no page of the site"):
        rendered("[make](../Makefile)", "data.md")


def test_examples_of_docstrings_become_code(hooks: Any) -> None:
    assert hooks.fence_examples("Adds.\n\n>>> 1 + 1\n2\n") == "Adds.\n\n```pycon\n>>> 1 + 1\n2\n```"
    assert hooks.fence_examples("No example.") == "No example."


def test_the_numbers_of_the_front_page() -> None:
    page = (DOCS / "index.md").read_text("utf-8")
    assert f"[{len(FORMATS)} kinds of files]" in page
    assert f"[{len(layout_names())} layouts]" in page
    assert len(SYSTEMS) == 15
    assert "Fifteen systems" in page


@pytest.mark.slow
def test_the_code_of_the_front_page_runs(finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "finetune").symlink_to(finetuned)
    recording = tiny.sequences()[0]
    header = ",".join(["time", *(f"{joint}_{axis}" for joint in recording.skeleton.joints for axis in "xyz")])
    rows = np.column_stack([np.arange(recording.frames) / 30, recording.positions[0].reshape(recording.frames, -1)])
    for name in ("wave.csv", "afternoon.csv"):
        np.savetxt(name, rows, delimiter=",", header=header, comments="")
    (code,) = re.findall(r"^```python\n(.*?)^```", (DOCS / "index.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    exec(compile(code, "index.md", "exec"), {})
