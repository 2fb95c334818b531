"""A table of texts: for the terminal, and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.table import Table

NOTHING = "–"  # in a cell whose value is not known


@dataclass(frozen=True)
class Grid:
    """A table.

    Args:
        header: Names of the columns.
        rows: Texts, one for each column.
        caption: What a reader must know.
        pages_only: Columns that are too wide for terminals.
    """

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    caption: str = ""
    pages_only: tuple[str, ...] = ()

    def to_terminal(self, title: str) -> Table:
        """The table for the terminal; columns with the same text in all rows are named below it instead."""
        columns = zip(*self.rows, strict=True) if self.rows else ([] for _ in self.header)
        same = [len(self.rows) > 1 and len(set(column)) == 1 for column in columns]
        shown = [not alike and name not in self.pages_only for alike, name in zip(same, self.header, strict=True)]
        alike = [f"{name} {self.rows[0][place]}" for place, name in enumerate(self.header) if same[place]]
        caption = "; ".join(text for text in (", ".join(alike), self.caption) if text)
        table = Table(title=title, header_style="bold", caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for place, name in enumerate(self.header):
            if shown[place]:
                table.add_column(name, overflow="fold", no_wrap=place == 0)
        for row in self.rows:
            table.add_row(*(value for place, value in enumerate(row) if shown[place]))
        return table

    def to_markdown(self) -> str:
        """The table as Markdown, with its caption below."""
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
        return table + (f"\n{self.caption}\n" if self.caption else "")
