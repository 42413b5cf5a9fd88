"""An answer as a page of text: its state, its usage, its content."""

from __future__ import annotations

from typing import NamedTuple

from claude_route.dialects import fold
from claude_route.text import layout
from claude_route.text import quantities
from claude_route.watch.views import blocks


class About(NamedTuple):
    """What the answer itself doesn't contain."""

    routing: str = ""
    """Which model was requested, and which target answered."""
    running: bool = False
    """Whether the answer is still streaming."""
    cost: float | None = None
    """Dollars."""
    first_byte: float | None = None
    duration: float | None = None
    """Seconds since the request, like `first_byte`."""
    is_new: bool | None = None
    """Whether the connection to the upstream was made for this request; None if that is unknown."""


def render(answer: fold.Answer, about: About, *, full: bool = False) -> str:
    page = [about.routing or answer.model or "an answer", _state(answer, about)]
    page += [line for line in (_usage(answer, about), _wire(answer)) if line]
    header_lines = len(page)
    writer = blocks.Writer(full=True)
    for index, block in enumerate(answer.blocks, 1):
        page.append(layout.rule(f"{index}/{len(answer.blocks)} {block.get('type', '?')}"))
        page += writer.lines(block)
    if answer.error:
        kind, message = answer.error
        page += [layout.rule(f"error {kind}"), *layout.lines(message, "  ")]
    if full:
        return "\n".join(page)
    # While an answer streams, its end is of most interest.
    begin = header_lines + (20 if about.running else layout.MAX_LINES // 2)
    return "\n".join(layout.elide(page, layout.MAX_LINES, head=begin))


def _state(answer: fold.Answer, about: About) -> str:
    if answer.error:
        parts = [f"✗ {answer.error[0]}"]
    elif answer.complete:
        parts = ["complete"]
    elif about.running:
        parts = ["◌ STREAMING"]
    else:
        parts = ["✗ INCOMPLETE: the stream was interrupted"]
    if answer.stop:
        sequence = f" {answer.stop_sequence!r}" if answer.stop_sequence else ""
        parts.append(f"stop reason {answer.stop}{sequence}")
    if about.first_byte is not None:
        over = {True: " over a new connection", False: " over a kept connection", None: ""}
        parts.append(f"first byte after {quantities.seconds(about.first_byte)}{over[about.is_new]}")
    if about.duration is not None:
        parts.append(f"{quantities.seconds(about.duration)} in all")
    return " · ".join(parts)


def _usage(answer: fold.Answer, about: About) -> str:
    used = answer.usage
    if used is None:
        return ""
    kinds = [
        (used.cache_read, "from cache"),
        (used.cache_write, "to cache"),
        (used.input, "not cached"),
    ]
    shares = [f"{quantities.short(tokens)} {kind}" for tokens, kind in kinds if tokens]
    line = f"in {quantities.short(used.prompt)}"
    if len(shares) > 1:
        line += f" ({', '.join(shares)})"
    if about.running and not answer.stop:
        # The output count at the beginning of a stream isn't final.
        return line
    line += f" · out {quantities.short(used.output)}"
    return line if about.cost is None else f"{quantities.dollars(about.cost)} · {line}"


def _wire(answer: fold.Answer) -> str:
    parts = [answer.id] if answer.id else []
    if answer.events:
        parts.append(f"{quantities.count(answer.events)} events")
    if answer.pings:
        parts.append(f"{answer.pings} of them {'a ping' if answer.pings == 1 else 'pings'}")
    if answer.unread:
        parts.append(f"{answer.unread} that could not be parsed")
    return " · ".join(parts)
