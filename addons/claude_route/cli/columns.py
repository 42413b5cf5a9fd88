"""Rows of text in columns."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence


def lines(rows: Iterable[Sequence[str]], *, empty: str = "") -> Iterator[str]:
    """One indented line for each row, with aligned cells; `empty` if there are no rows."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()
    if not table and empty:
        yield f"  {empty}"
