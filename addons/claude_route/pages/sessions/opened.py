"""A turn opened: what is new in it, its answer, and the parts that one can ask for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from collections.abc import Sequence
from typing import NamedTuple

from mitmproxy import http

from claude_route.pages.sessions import bodies
from claude_route.pages.sessions import contents
from claude_route.pages.sessions import rendering
from claude_route.pages.sessions import window
from claude_route.sessions import blocks
from claude_route.sessions import diffs
from claude_route.sessions import sources
from claude_route.sessions import tree
from claude_route.sessions import turns

MAX_NEW = 60
"""Changes that are shown, and blocks that are gone: the first turn's are a whole conversation, and so is what a
compaction takes away."""

MAX_BLOCKS = 400
"""Blocks of a whole conversation."""

MAX_UPSTREAM = 200_000
"""Characters of the upstream's request."""

PARTS = ("window", "system", "tools", "conversation", "headers", "upstream")
"""What a turn's page has besides, one at a time."""

EXPORTED = ("system", "tools")
"""The parts that an export has of a session's first turn: they change little after it."""

GONE = (
    "Each block has only its first words, because this turn’s request and answer were dropped to save memory: "
    "`keep_megabytes` and `keep_bodies` say how much of it is used, and `-w +flows.mitm` saves all to a file."
)
SUMMARY = (
    "Each block has only its first words, because requests and answers aren’t kept for this "
    "page: to see them, start the proxy with `--set keep_bodies=50` (megabytes) or `-w +flows.mitm` (a file)."
)


class Changed(NamedTuple):
    what: str
    shown: contents.Shown
    before: contents.Shown | None


class Opened(NamedTuple):
    url: str
    """Of the turn's page, relative to the page that shows it."""
    changes: Sequence[Changed]
    sent_back: Sequence[Changed]
    """The answer of the turn before, which each request repeats."""
    left_out: int
    """Of the changes."""
    removed: Sequence[Changed]
    """What the turn before had, and this one hasn't: the latest of it."""
    removed_left_out: int
    answer: Sequence[contents.Shown]
    is_kept: bool
    why: str = ""
    """Why it isn't."""
    is_running: bool = False
    has_wire: bool = False
    has_upstream: bool = False
    parts: Sequence[Part] = ()
    """What an export has of it besides."""


class Group(NamedTuple):
    title: str
    tokens: int
    blocks: Sequence[contents.Shown]


class Table(NamedTuple):
    title: str
    rows: Sequence[tuple[str, str]]


class Part(NamedTuple):
    name: str
    view: rendering.View
    groups: Sequence[Group] = ()
    left_out: int = 0
    tables: Sequence[Table] = ()
    shares: Sequence[window.Share] = ()
    text: str = ""


def open_turn(
    entry: tree.Entry,
    found: bodies.Bodies,
    view: rendering.View,
    url: str,
    *,
    limit: int = contents.SHORT,
    is_running: bool = False,
) -> Opened:
    chosen = new(entry)
    back = list(itertools.takewhile(_is_answer, chosen)) if entry.before else []
    gone = [change for change in chosen if change.what == "removed"]
    chosen = [change for change in chosen[len(back) :] if change.what != "removed"]
    return Opened(
        url,
        changed(chosen[-MAX_NEW:], found, limit),
        changed(back[:MAX_NEW], found, limit),
        max(0, len(chosen) - MAX_NEW),
        changed(gone[-MAX_NEW:], found, limit),
        max(0, len(gone) - MAX_NEW),
        answer(entry.turn, found, max(limit, contents.LONG)),
        found.is_request_kept or found.is_answer_kept,
        GONE if view.in_mitmweb or found.kept else SUMMARY,
        is_running,
        found.kept is not None,
        view.sees_all and found.kept is not None and found.kept.upstream is not None,
    )


def _is_answer(change: diffs.Change) -> bool:
    return change.what == "added" and change.block.role == "assistant"


def new(entry: tree.Entry) -> list[diffs.Change]:
    """What is new; in an agent's first turn, only what its messages have."""
    if entry.before:
        return list(entry.diff.changes)
    return [change for change in entry.diff.changes if change.block.role in turns.MESSAGES]


def changed(
    chosen: Iterable[diffs.Change], found: bodies.Bodies, limit: int = contents.SHORT
) -> list[Changed]:
    return [
        Changed(
            change.what,
            contents.show(
                change.block,
                found.value(change.block),
                str(change.place) if change.what != "removed" else "",
                limit,
            ),
            contents.show(change.before, found.value(change.before), "", limit)
            if change.before
            else None,
        )
        for change in chosen
    ]


def answer(turn: turns.Turn, found: bodies.Bodies, limit: int) -> list[contents.Shown]:
    made = turn.answer
    if len(made) != len(found.answer) and found.answer:  # it is growing
        return [
            contents.show(block, value, f"a{number}", limit)
            for number, (block, value) in enumerate(
                zip(blocks.of_values(found.answer), found.answer, strict=False)
            )
        ]
    values = found.answer or [None] * len(made)
    return [
        contents.show(block, value, f"a{number}", limit)
        for number, (block, value) in enumerate(zip(made, values, strict=True))
    ]


def block(entry: tree.Entry, found: bodies.Bodies, key: str) -> tuple[contents.Shown, str] | None:
    """A block of the turn by its key, and all of its content; None if there is none."""
    number = key.removeprefix("a")
    if not number.isascii() or not number.isdigit() or len(number) > 6:
        return None
    index = int(number)
    if key.startswith("a"):
        shown = answer(entry.turn, found, contents.LONG)
        if index >= len(shown):
            return None
        value = found.answer[index] if index < len(found.answer) else None
        return shown[index], contents.plain(shown[index].block, value)
    if index >= len(entry.conversation):
        return None
    chosen = entry.conversation[index]
    value = found.value(chosen)
    return contents.show(chosen, value, key), contents.plain(chosen, value)


def part(name: str, entry: tree.Entry, found: bodies.Bodies, view: rendering.View) -> Part | None:
    match name:
        case "window":
            return Part(name, view, shares=window.of_turn(entry))
        case "system" | "tools" | "conversation":
            roles = turns.MESSAGES if name == "conversation" else (name,)
            return _blocks(name, roles, entry, found, view)
        case "headers" if found.kept:
            return Part(name, view, tables=list(_tables(found.kept.flow, view)))
        case "upstream" if found.kept and found.kept.upstream and view.sees_all:
            request = found.kept.upstream
            text = bodies.plain(request).decode("utf-8", "replace")[:MAX_UPSTREAM]
            return Part(name, view, tables=[_table(request)], text=_pretty(text))
    return None


def _blocks(
    name: str,
    roles: tuple[str, ...],
    entry: tree.Entry,
    found: bodies.Bodies,
    view: rendering.View,
) -> Part:
    chosen = [(n, each) for n, each in enumerate(entry.conversation) if each.role in roles]
    left_out = max(0, len(chosen) - MAX_BLOCKS)
    groups: dict[str, list[tuple[int, turns.Block]]] = {}
    for place, each in chosen[left_out:]:
        title = sources.of_server(each.name) if name == "tools" else ""
        groups.setdefault(title, []).append((place, each))
    return Part(
        name,
        view,
        [
            Group(
                title,
                sum(each.tokens for _, each in group),
                [
                    contents.show(each, found.value(each), str(place), contents.LONG)
                    for place, each in group
                ],
            )
            for title, group in groups.items()
        ],
        left_out,
    )


def _tables(flow: http.HTTPFlow, view: rendering.View) -> Iterable[Table]:
    yield _table(flow.request)
    if flow.response:
        fields = _fields(flow.response)
        yield Table(f"{flow.response.status_code} {flow.response.reason}", fields)


def _table(request: http.Request) -> Table:
    return Table(f"{request.method} {request.pretty_url}", _fields(request))


def _fields(message: http.Message) -> list[tuple[str, str]]:
    return [(name, value) for name, value in message.headers.items(multi=True)]


def _pretty(text: str) -> str:
    try:
        return contents.pretty_text(text)
    except ValueError:
        return text
