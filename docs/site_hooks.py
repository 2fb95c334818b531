"""What MkDocs does not do by itself for the site: see each function. `mkdocs.yml` names this file."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from jointwise.data.formats import formats
from jointwise.data.layouts import Layout, layout_names, load_layout
from jointwise.data.rest_pose import rest_place
from jointwise.data.skeletons import skeleton_of, split_side

ROOT = Path(__file__).parents[1]
_leads_outside: dict[str, list[str]] = {}  # address of another site -> the pages that link to it
TAKEN_IN = {  # files beside docs/ that are pages of the site, too
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "NOTICE": "notice.md",
    "SECURITY.md": "security.md",
    "lab/LOG.md": "log.md",
}
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
_MATH = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_OUTSIDE = re.compile(r"\]\((https?://[^)\s]+)\)")
_EXAMPLE = re.compile(r"(?:^>>> .*\n?)(?:^(?!\s*$).*\n?)*", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fills each section of the navigation that has only a FOLDER/README.md with the pages that this index lists.

    Args:
        config: The settings of the site.
    """
    config.nav = _filled(config.nav, Path(config.docs_dir))
    return config


def _filled(items: list[Any], docs: Path) -> list[Any]:
    """The items of a section, those of indices put in."""
    if len(items) == 1 and isinstance(items[0], str) and items[0].endswith("/README.md"):
        return [items[0], *pages_of_index(docs / items[0])] if "decisions" not in items[0] else items
    return [
        {title: _filled(value, docs) if isinstance(value, list) else value for title, value in item.items()}
        if isinstance(item, dict)
        else item
        for item in items
    ]


def pages_of_index(index: Path) -> list[Any]:
    """The pages that an index lists, in its order.

    Args:
        index: Its file. Lines like `**Use**` begin a section; the first link of a line of a list is its page.

    Returns:
        Items of a navigation.
    """
    pages: list[Any] = []
    section = pages
    for line in index.read_text("utf-8").splitlines():
        if line.startswith("## "):
            break
        if title := re.fullmatch(r"\*\*(.+)\*\*", line):
            section = []
            pages.append({title[1]: section})
        elif page := re.match(r"- \[[^\]]*\]\(([\w-]+\.md)\)", line):
            section.append(f"{index.parent.name}/{page[1]}")
    return pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie beside docs/.

    Args:
        files: Those in docs/.
        config: The settings of the site.
    """
    for source, page in TAKEN_IN.items():
        text = (ROOT / source).read_text("utf-8")
        if not source.endswith(".md"):
            text = f"# {source.capitalize()}\n\n```text\n{text.strip()}\n```\n"
        files.append(File.generated(config, page, content=f"---\nsearch: {{exclude: true}}\n---\n{text}"))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts generated tables in place of their marks, and makes links lead to pages of the site.

    Args:
        markdown: The text of the page.
        page: The page.
        config: The settings of the site.
        files: All files of the site.
    """
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]  # the column would hold one line
    for mark, table in TABLES.items():
        if f"<!-- {mark} -->" in markdown:
            markdown = markdown.replace(f"<!-- {mark} -->", table())
    markdown = re.sub(r"^```math\n(.*?)^```", r"$$\n\1$$", markdown, flags=re.DOTALL | re.MULTILINE)
    here = page.file.src_uri
    for address in _OUTSIDE.findall(markdown):
        _leads_outside.setdefault(address, []).append(here)
    beside = {place: source for source, place in TAKEN_IN.items()}
    source = beside.get(here, f"docs/{here}")
    return _LINK.sub(lambda link: _link(link, source, here), markdown)


def _link(link: re.Match[str], source: str, here: str) -> str:
    """A link of a file of the repository as one of the page `here` of the site."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
    if target.startswith("docs/"):
        place = target.removeprefix("docs/")
    elif target in TAKEN_IN:
        place = TAKEN_IN[target]
    else:
        raise ValueError(f"{source}: {link[1]} is no page of the site. Add it to TAKEN_IN of docs/site_hooks.py.")
    return f"]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{link[2] or ''})"


def on_page_content(html_text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Equations become MathML, which browsers show without a script.

    Args:
        html_text: The page as HTML, without what surrounds it.
        page: The page.
        config: The settings of the site.
        files: All files of the site.
    """
    return _MATH.sub(
        lambda found: convert(html.unescape(found[2]), display="inline" if found[1] == "span" else "block"), html_text
    )


def on_post_build(config: MkDocsConfig) -> None:
    """Lists the links to other sites, which a build does not follow: it needs no network.

    Args:
        config: The settings of the site.
    """
    lines = [f"{address}  {', '.join(pages)}\n" for address, pages in sorted(_leads_outside.items())]
    Path(config.site_dir, "links-to-other-sites.txt").write_text("".join(lines), "utf-8")


class Examples(griffe.Extension):
    """Examples in docstrings become blocks of code."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Wraps the examples of one docstring.

        Args:
            obj: What the docstring is of.
        """
        if obj.docstring:
            obj.docstring.value = fence_examples(obj.docstring.value)


def fence_examples(docstring: str) -> str:
    """A docstring whose examples are blocks of code.

    Args:
        docstring: Its text, without indentation.

    >>> print(fence_examples("Adds.\\n\\n>>> 1 + 1\\n2"))
    Adds.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    return _EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", docstring).rstrip()


def table_of_formats() -> str:
    """A table of the formats that can be read."""
    rows = ["| name | files | written by | needs |", "|---|---|---|---|"]
    for item in formats():
        files = ", ".join(f"`{pattern}`" for pattern in item.patterns)
        files += " (a folder of them)" if item.frame_files else ""
        needs = f"`pip install 'jointwise[{item.extra}]'`" if item.extra else ""
        rows.append(f"| `{item.name}` | {files} | {item.written_by} | {needs} |")
    return "\n".join(rows)


def sections_of_layouts() -> str:
    """A section for each layout: who uses it, a picture, its joints."""
    return "\n\n".join(_section_of(load_layout(name)) for name in layout_names())


def _section_of(layout: Layout) -> str:
    skeleton = skeleton_of(layout)
    axes = {"up": layout.up, "to the side": layout.lateral}
    told = [f"{name} `{'xyz'[axis]}`" for name, axis in axes.items() if axis is not None]
    size = f"{layout.coordinates}D" if layout.coordinates else "2D or 3D"
    facts = f"{len(layout.joints)} joints, {size}, root {f'`{layout.root}`' if layout.root else 'the mean of all'}"
    parents: dict[str, list[str]] = {}
    for parent, child in skeleton.bones:
        parents.setdefault(child, []).append(f"`{parent}`")
    rows = ["| | joint | bone from | also called |", "|---|---|---|---|"]
    for place, joint in enumerate(layout.joints):
        called = ", ".join(
            f"`{parts[0]}`" if len(parts) == 1 else f"mean of {', '.join(f'`{part}`' for part in parts)}"
            for parts in layout.aliases.get(joint, ())
        )
        rows.append(f"| {place} | `{joint}` | {', '.join(parents.get(joint, []))} | {called} |")
    table = "\n".join(rows)
    return (
        f"## {layout.name}\n\n{layout.about}. {', '.join([facts, *told])}.\n\n{picture_of(layout)}\n\n"
        f'<details markdown="1"><summary>Its joints</summary>\n\n{table}\n\n</details>'
    )


def picture_of(layout: Layout) -> str:
    """The figure in T-pose with the joints of a layout, from the front, as SVG.

    Args:
        layout: The layout. A joint whose place on a body is not known is not drawn.
    """
    places = {joint: place for joint in layout.joints if (place := rest_place(joint)) is not None}
    if not places:
        return ""
    points = {joint: (200 * place[0], -200 * place[1]) for joint, place in places.items()}
    left, right = min(x for x, _ in points.values()), max(x for x, _ in points.values())
    top, bottom = min(y for _, y in points.values()), max(y for _, y in points.values())
    size = max(right - left, bottom - top)
    edge, radius = 0.05 * size, 0.009 * size
    bones = [
        f'<line x1="{points[a][0]:.1f}" y1="{points[a][1]:.1f}" x2="{points[b][0]:.1f}" y2="{points[b][1]:.1f}"/>'
        for a, b in skeleton_of(layout).bones
        if a in points and b in points
    ]
    dots = [
        f'<circle class="{split_side(joint)[0] or "middle"}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.2f}">'
        f"<title>{layout.joints.index(joint)} {joint}</title></circle>"
        for joint, (x, y) in points.items()
    ]
    box = f"{left - edge:.1f} {top - edge:.1f} {right - left + 2 * edge:.1f} {bottom - top + 2 * edge:.1f}"
    style = f'class="layout" style="stroke-width: {0.008 * size:.2f}"'
    return f'<svg {style} viewBox="{box}" role="img" aria-label="{layout.name}">{"".join(bones)}{"".join(dots)}</svg>'


TABLES: dict[str, Callable[[], str]] = {"formats": table_of_formats, "layouts": sections_of_layouts}
