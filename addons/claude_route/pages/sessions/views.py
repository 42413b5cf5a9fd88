"""The pages: the list, a session, a turn, a comparison, and what a search finds."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import markupsafe

from claude_route.pages import content
from claude_route.pages.sessions import bodies
from claude_route.pages.sessions import breath
from claude_route.pages.sessions import contents
from claude_route.pages.sessions import markdown
from claude_route.pages.sessions import opened
from claude_route.pages.sessions import places
from claude_route.pages.sessions import rendering
from claude_route.pages.sessions import window
from claude_route.sessions import book
from claude_route.sessions import diffs
from claude_route.sessions import search
from claude_route.sessions import tree
from claude_route.sessions import turns

LISTED = 50
"""Sessions of one page."""

TRUNK = 150
"""Turns of the main agent that a session's page shows; a link has the earlier ones."""

COMPARED = rendering.MAX_COPIES + 1
"""Turns side by side, at most."""

MARKDOWN = "markdown"
"""The form in which a block can be asked for, other than text."""

HTML = "text/html; charset=utf-8"


class Group(NamedTuple):
    """What a search finds in a session."""

    session: tree.Session
    hits: Sequence[search.Hit]


class Side(NamedTuple):
    """A turn in a comparison."""

    url: str
    entry: tree.Entry
    opened: opened.Opened


class Difference(NamedTuple):
    url: str
    unchanged: int
    changes: Sequence[opened.Changed]
    left_out: int


def listing(
    sessions: Sequence[tree.Session], view: rendering.View, start: int, version: str
) -> content.Content:
    shown = sessions[start : start + LISTED]
    page = rendering.render(
        "list.html",
        view,
        at_list=True,
        words="",
        version=version,
        sessions=shown,
        total=len(sessions),
        running=sum(session.running for session in sessions),
        skipped=start,
        newer=max(0, start - LISTED) if start else None,
        older=start + LISTED if start + LISTED < len(sessions) else None,
        top=max((session.cost or 0 for session in shown), default=0),
    )
    return content.Content(HTML, page)


def found(
    words: str,
    hits: Sequence[search.Hit],
    sessions: Sequence[tree.Session],
    view: rendering.View,
) -> content.Content:
    by_session: dict[str, list[search.Hit]] = {}
    for hit in hits:
        by_session.setdefault(hit.session or book.NONE, []).append(hit)
    page = rendering.render(
        "search.html",
        view,
        at_list=False,
        words=words,
        version="",
        number=len(hits),
        is_more=len(hits) >= search.MAX_HITS,
        groups=[Group(each, mine) for each in sessions if (mine := by_session.get(each.id))],
    )
    return content.Content(HTML, page)


def session(
    shown: tree.Session,
    view: rendering.View,
    version: str,
    running: Mapping[str, book.Running],
    *,
    is_whole: bool,
    exported: dict[str, opened.Opened] | None = None,
) -> bytes:
    trunk = shown.main
    earlier = 0 if is_whole else max(0, len(trunk) - TRUNK)
    return rendering.render(
        "session.html",
        view,
        at_list=False,
        words="",
        version=version,
        session=shown,
        trunk=trunk[earlier:],
        earlier=earlier,
        loose=shown.loose,
        strays=shown.stray_copies,
        folded=[entry for entry in shown.entries if entry.turn.kind in tree.FOLDED],
        running=sorted(running.items(), key=lambda item: item[1].at),
        drawn=window.chart(trunk),
        top=max((entry.turn.cost or 0 for entry in shown.entries), default=0),
        exported=exported or {},
        script_hash=script_hash() if view.is_export else "",
    )


def script_hash() -> str:
    """For a content security policy: the file may run its own script and no other."""
    digest = hashlib.sha256(rendering.script().encode()).digest()
    return base64.b64encode(digest).decode()


def turn(
    shown: tree.Session,
    entry: tree.Entry,
    bodies_kept: bodies.Bodies,
    view: rendering.View,
    version: str,
    part: str,
    *,
    is_running: bool,
) -> content.Content:
    """`part` is the one that is open; empty for none."""
    # A copy has no turn before it or after it.
    beside = () if entry.turn.compares else shown.entries
    chain = [each for each in beside if each.turn.chain == entry.turn.chain]
    place = next(
        (n for n, each in enumerate(chain) if each.turn.flow == entry.turn.flow), len(chain)
    )
    sizes = {
        "system": sum(block.tokens for block in entry.conversation if block.role == "system"),
        "tools": sum(block.role == "tools" for block in entry.conversation),
        "messages": sum(block.role in turns.MESSAGES for block in entry.conversation),
    }
    others = [each for each in (*shown.entries, *shown.copies) if each.turn.flow != entry.turn.flow]
    page = rendering.render(
        "turn.html",
        view,
        at_list=False,
        words="",
        version=version if is_running else "",
        session=shown,
        entry=entry,
        opened=opened.open_turn(entry, bodies_kept, view, _own(entry), is_running=is_running),
        part=opened.part(part, entry, bodies_kept, view) if part else None,
        sizes=sizes,
        agent=next((each for each in shown.agents if each.id == entry.turn.agent), None),
        previous=chain[place - 1] if place else None,
        following=chain[place + 1] if place + 1 < len(chain) else None,
        others=others[-200:],
        is_running=is_running,
    )
    return content.Content(HTML, page)


def _own(entry: tree.Entry) -> str:
    """The URL of a turn's page, seen from that page or a neighbour's."""
    return places.of_turn("", entry.turn.flow).rpartition("/")[2]


def block(
    entry: tree.Entry, bodies_kept: bodies.Bodies, view: rendering.View, key: str, form: str
) -> content.Content:
    """Raises LookupError: the turn has no such block."""
    found_block = opened.block(entry, bodies_kept, key)
    if found_block is None:
        raise LookupError("This turn has no such block")
    shown, text = found_block
    if form != MARKDOWN:
        return content.Content("text/plain; charset=utf-8", text.encode("utf-8", "replace"))
    page = rendering.render(
        "block.html",
        view,
        at_list=False,
        words="",
        version="",
        shown=shown,
        url=_own(entry),
        html=markupsafe.Markup(markdown.html(text)),  # noqa: S704 - `markdown.html` is safe
        size=len(text),
        MAX_RENDERED=markdown.MAX_TEXT,
    )
    return content.Content(HTML, page)


def comparison(
    shown: tree.Session,
    compared: Sequence[tuple[str, tree.Entry, bodies.Bodies]],
    view: rendering.View,
) -> content.Content:
    """`compared` are the turns with the ids of their sessions; the first in time is compared with each other."""
    compared = sorted(compared, key=lambda side: side[1].turn.at)
    sides = []
    for session_id, entry, kept in compared:
        url = view.root + places.of_turn(session_id, entry.turn.flow)
        sides.append(Side(url, entry, opened.open_turn(entry, kept, view, url)))
    first = compared[0][1].conversation
    differences = []
    for (_, entry, kept), side in zip(compared[1:], sides[1:], strict=True):
        diff = diffs.between(first, entry.conversation)
        both = bodies.Bodies(contents={**compared[0][2].contents, **kept.contents})
        changes = opened.changed(diff.changes[: opened.MAX_NEW], both)
        left_out = max(0, len(diff.changes) - opened.MAX_NEW)
        differences.append(Difference(side.url, diff.unchanged, changes, left_out))
    page = rendering.render(
        "compare.html",
        view,
        at_list=False,
        words="",
        version="",
        session=shown,
        sides=sides,
        differences=differences,
        copies=[entry for _, entry, _ in compared if entry.turn.compares],
    )
    return content.Content(HTML, page)


def export(shown: tree.Session, find: bodies.Find, view: rendering.View) -> bytes:
    """The session as one file with all that is kept of it."""
    exported = {}
    entries = [*shown.entries, *shown.copies]
    for number, entry in enumerate(entries):
        kept = bodies.read(entry, find, entries[:number][::-1])
        made = opened.open_turn(entry, kept, view, "", limit=contents.LONG)
        if kept.is_request_kept and entry.turn.kind == "main" and not entry.before:
            parts = (opened.part(name, entry, kept, view) for name in opened.EXPORTED)
            made = made._replace(parts=[part for part in parts if part and part.groups])
        exported[entry.turn.flow] = made
        breath.take()
    return session(shown, view, "", {}, is_whole=True, exported=exported)
