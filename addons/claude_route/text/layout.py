"""Lines of text for content views: mitmweb and the console wrap them, and what is copied has no other
line breaks than the text itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Sequence

from claude_route.text import quantities

WIDTH = 76
"""Characters that fit beside the list in a window of 1280 pixels: as many of a longer line make a row."""

MAX_LINES = 500
"""mitmweb shows 512 lines of a view at first."""


def lines(text: str, indent: str = "") -> list[str]:
    """The text's lines as they are, but for tabs."""
    return [indent + line for line in text.rstrip().replace("\t", "    ").split("\n")]


def some(text: str, indent: str, limit: int | None) -> list[str]:
    """The first `limit` rows and, if there are more, a line that says so. None: all."""
    if limit is None:
        return lines(text, indent)
    # A text may have megabytes, and the first rows need no more than this.
    shown = lines(text[: (limit + 1) * WIDTH * 2], indent)
    if len(text) <= (limit + 1) * WIDTH * 2 and height(shown) <= limit:
        return shown
    return [*_first(shown, limit), f"{indent}… {quantities.count(len(text))} characters in all"]


def height(shown: Iterable[str]) -> int:
    """How many rows these lines take."""
    return sum(map(_rows, shown))


def _rows(line: str) -> int:
    return max(-(-len(line) // WIDTH), 1)


def elide(page: Sequence[str], limit: int, *, head: int) -> list[str]:
    """At most `limit` rows: the first `head`, and the last ones."""
    if height(page) <= limit:
        return list(page)
    first = _first(page, head)
    turned = _first([line[::-1] for line in reversed(page[-limit:])], limit - head - 1)
    last = [line[::-1] for line in reversed(turned)]
    left_out = sum(map(len, page)) - sum(map(len, first)) - sum(map(len, last))
    notice = f"… {quantities.count(left_out)} characters not shown (choose the view claude-full)"
    return [*first, notice, *last]


def _first(page: Sequence[str], limit: int) -> list[str]:
    """The lines of the first `limit` rows. The last of them may be the beginning of a line."""
    shown: list[str] = []
    for line in page:
        if limit <= 0:
            break
        shown.append(line[: limit * WIDTH])
        limit -= _rows(line)
    return shown


def one_line(text: str, width: int = WIDTH) -> str:
    """The beginning of the text on one line."""
    line = visible(" ".join(text[: 4 * width].split()))
    return clip(line if len(text) <= 4 * width else line + "…", width)


def visible(text: str) -> str:
    """The text with U+FFFD for what has no sign of its own, such as line breaks and the escapes that a
    terminal obeys."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


_ORDERS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Those of eight bits, which a terminal obeys as it does ESC, and those that turn the direction of what follows."""


def harmless(text: str) -> str:
    """The lines of a text with U+FFFD for what orders a terminal about, but for the escapes of seven bits, which
    mitmproxy takes out itself."""
    return text if text.isascii() else _ORDERS.sub("\ufffd", text)


def clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def rule(title: str) -> str:
    return f"── {title} ──"
