"""Renders the templates of the sessions' pages. All text is escaped, whoever wrote it."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from claude_route.pages import content
from claude_route.pages import rendering
from claude_route.pages.sessions import breath
from claude_route.pages.sessions import contents
from claude_route.pages.sessions import places
from claude_route.sessions import tree
from claude_route.sessions import turns
from claude_route.text import quantities

TEMPLATES = rendering.templates(Path(__file__).parent / "templates")

MAX_OPEN = 60
"""Turns of a session of which the agents' turns are shown at once, rather than folded."""

MAX_GONE = 5
"""Blocks that are no longer in a request and are shown at once, rather than folded."""

MAX_COPIES = 3
"""Copies that are shown beside their turn."""

KINDS = {
    "main": "main",
    "subagent": "agent",
    "title": "title",
    "classifier": "check",
    "compaction": "compaction",
    "count": "count",
    "other": "other",
}


@dataclass(frozen=True)
class View(rendering.Frame):
    """Where a page is shown, and to whom."""

    is_export: bool = False
    """Whether it is a file, which has no server to ask for more."""
    sees_all: bool = True
    client: str = ""
    """The only client whose requests it has; empty for those of all."""


@functools.cache
def _environment() -> jinja2.Environment:
    made = rendering.environment(TEMPLATES)
    made.filters |= {"brief": brief, "clock": clock, "day": day, "iso": iso, "target": target}
    made.globals |= {
        "KINDS": KINDS,
        "MAX_GONE": MAX_GONE,
        "MAX_OPEN": MAX_OPEN,
        "answered": answered,
        "cost_of": cost_of,
        "of_compared": of_compared,
        "of_session": places.of_session,
        "of_turn": places.of_turn,
        "script": script,
        "show": contents.show,
        "style": style,
        "totals": totals,
        "who": who,
    }
    return made


def render(template: str, view: View, **values: Any) -> bytes:
    pieces = []
    for piece in _environment().get_template(template).generate(view=view, **values):
        pieces.append(piece)
        breath.take()
    return "".join(pieces).encode("utf-8", "replace")


def style() -> str:
    """The styles of a page, for one that is a file of its own."""
    return _both("css")


def script() -> str:
    return _both("js")


def _both(extension: str) -> str:
    return "".join(
        content.static(f"{name}.{extension}").body.decode() for name in ("base", "sessions")
    )


def brief(text: str, length: int = 120) -> str:
    """The beginning of a text, at a space if there is one near."""
    if len(text) <= length:
        return text
    cut = text[:length]
    space = cut.rfind(" ", length * 3 // 4)
    return f"{cut[:space] if space > 0 else cut} …"


def target(name: str) -> str:
    """`opus-5-5` for `anthropic/claude-opus-5-5`"""
    return name.removeprefix("anthropic/").removeprefix("claude-") or name


def clock(at: float) -> str:
    """In UTC. The page's script puts the viewer's own time there, and names the zone."""
    return time.strftime("%H:%M:%S", time.gmtime(at))


def day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at))


def iso(at: float) -> str:
    return quantities.utc(at, "milliseconds")


_SUMMARY = re.compile(r"</?(?:analysis|summary)>\s*")


def answered(turn: turns.Turn) -> str:
    """The first words of an answer; a compaction's without the tags in which Claude Code has it write."""
    return _SUMMARY.sub("", turn.text).strip() if turn.kind == "compaction" else turn.text


def who(turn: turns.Turn) -> str:
    return KINDS.get(turn.kind, turn.kind)


def cost_of(entries: Sequence[tree.Entry]) -> float | None:
    return tree.cost([entry.turn for entry in entries])


def of_compared(session: str, entry: tree.Entry) -> str:
    """The URL of a turn beside the copies of it: the latest, as many as the page has room for."""
    flows = [quote(copy.turn.flow, safe="") for copy in entry.copies[-MAX_COPIES:]]
    return f"{places.of_turn(session, entry.turn.flow)}?with={','.join(flows)}"


@dataclass(frozen=True)
class Totals:
    prompt: int
    output: int
    cost: float | None
    cache_share: float


def totals(entries: list[tree.Entry]) -> Totals:
    counted = [entry.turn for entry in entries]
    tokens = tree.total(counted)
    share = tokens.cache_read / tokens.prompt if tokens.prompt else 0.0
    return Totals(tokens.prompt, tokens.output, tree.cost(counted), share)
