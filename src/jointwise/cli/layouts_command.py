"""The command about joint layouts: what they are, and how they map to each other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from jointwise.cli.arguments import Parser
from jointwise.cli.output import print_columns, show
from jointwise.data.layouts import Layout, layout_names, load_layout
from jointwise.data.skeletons import skeleton_of


def add_layouts_arguments(parser: Parser) -> None:
    """Add what `layouts` takes."""
    parser.add_argument(
        "found", metavar="LAYOUT", nargs="?", help="show this one: its name, or a YAML file (default: list all)"
    )
    parser.add_argument("wanted", metavar="OTHER", nargs="?", help="show which of its joints follow from the first")


def layouts(args: argparse.Namespace) -> None:
    """Which joint layouts are known; the joints of one; or how the joints of two map to each other."""
    if args.found is None:
        _list_all()
    elif args.wanted is None:
        _show(load_layout(args.found))
    else:
        _compare(load_layout(args.found), load_layout(args.wanted))


def _list_all() -> None:
    width = max(map(len, layout_names()))
    print(f"{'layout':<{width}}  joints  axes  root            used by")
    for name in layout_names():
        layout = load_layout(name)
        axes = f"{layout.coordinates}D" if layout.coordinates else "any"
        print(f"{name:<{width}}  {len(layout.joints):6}  {axes:<4}  {layout.root or 'mean':<14}  {layout.about}")
    print("jointwise layouts LAYOUT shows one; a file of your own in the same form works everywhere as well.")


def _show(layout: Layout) -> None:
    skeleton = skeleton_of(layout)
    show(f"{layout.name}: {len(layout.joints)} joints" + (f". {layout.about}" if layout.about else ""))
    parents: dict[str, list[str]] = {}
    for parent, child in skeleton.bones:
        parents.setdefault(child, []).append(parent)
    mirrors = [layout.joints[place] for place in skeleton.mirror_permutation]
    rows = [("", "joint", "bone from", "mirror", "also called")]
    for place, (joint, mirror) in enumerate(zip(layout.joints, mirrors, strict=True)):
        called = ", ".join(_words(parts) for parts in layout.aliases.get(joint, ()))
        rows.append((str(place), joint, ", ".join(parents.get(joint, [])), "" if mirror == joint else mirror, called))
    _print_table(rows)
    axes = ["unknown" if axis is None else "xyz"[axis] for axis in (layout.up, layout.lateral)]
    print_columns([("root", layout.root or "none: the mean of the joints"), ("up", axes[0]), ("lateral", axes[1])])


def _compare(found: Layout, wanted: Layout) -> None:
    joints = skeleton_of(found).map_to(skeleton_of(wanted))
    show(f"{found.name} -> {wanted.name}: {joints.coverage}")
    rows = [(wanted.name, f"from {found.name}")]
    for joint in wanted.joints:
        rows.append((joint, _words(joints.sources[joint]) if joint in joints.sources else "missing: masked"))
    _print_table(rows)
    used = {name for names in joints.sources.values() for name in names}
    unused = [joint for joint in found.joints if joint not in used]
    show(f"not used of {found.name}: {', '.join(unused) or 'none'}")


def _words(parts: tuple[str, ...]) -> str:
    """A joint, or the mean of several, in words."""
    return parts[0] if len(parts) == 1 else f"mean of {', '.join(parts)}"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        show("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
