"""Lines of text for content views: mitmweb shows them as they are, without wrapping or colour."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

from claude_route.text import quantities

WIDTH = 76
"""Characters that fit beside the list in a window of 1280 pixels."""

MAX_LINES = 500
"""mitmweb shows 512 lines of a view at first."""


def wrap(text: str, indent: str = "") -> list[str]:
    """The text's lines, each at most WIDTH long, broken at spaces if possible."""
    width = WIDTH - len(indent)
    lines = text.rstrip().replace("\t", "    ").split("\n")
    if max(map(len, lines)) <= width:
        return [indent + line for line in lines]
    return [piece for line in lines for piece in _break(line, indent, width)]


def _break(line: str, indent: str, width: int) -> Iterator[str]:
    start = 0
    while len(line) - start > width:
        cut = line.rfind(" ", start + width // 2, start + width + 1)
        end = cut if cut > 0 else start + width
        yield indent + line[start:end]
        start = end + (cut > 0)
    yield indent + line[start:]


def wrap_some(text: str, indent: str, limit: int | None) -> list[str]:
    """The first `limit` lines and, if there are more, a line that says so."""
    if limit is None:
        return wrap(text, indent)
    # A text may have megabytes, and the first lines need no more than this.
    lines = wrap(text[: (limit + 1) * WIDTH * 2], indent)
    if len(lines) > limit:
        lines[limit:] = [f"{indent}… {quantities.count(len(text))} characters in all"]
    return lines


def elide(lines: Sequence[str], limit: int, *, head: int) -> list[str]:
    """At most `limit` lines: the first `head`, and the last ones."""
    if len(lines) <= limit:
        return list(lines)
    left_out = len(lines) - limit + 1
    return [
        *lines[:head],
        f"… {quantities.count(left_out)} lines not shown (choose the view claude-full)",
        *lines[head + left_out :],
    ]


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


def clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def rule(title: str) -> str:
    return f"── {title} ".ljust(WIDTH, "─")
