"""A table of texts: for the terminal, and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.table import Table

NOTHING = "–"  # where a result does not tell


@dataclass(frozen=True)
class Grid:
    """Column names and rows of texts. caption: what a reader must know. pages_only: columns too wide for terminals."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    caption: str = ""
    pages_only: tuple[str, ...] = ()

    def to_terminal(self, title: str) -> Table:
        """For the terminal; what is the same in all rows stands below it, once."""
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
        """As Markdown, the caption below."""
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
        return table + (f"\n{self.caption}\n" if self.caption else "")
