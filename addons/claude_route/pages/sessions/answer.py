"""`GET /sessions`, `/sessions/ID` and `/sessions/ID/TURN`: what happened in each session.

Programs get JSON, browsers pages. `?search=WORDS` at `/sessions` finds turns; `/sessions/ID.html`, `.jsonl` and
`.har` export a session; `?with=TURN` compares a turn with others. Behind a named client's key there is only what
this client has sent.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Callable
from collections.abc import Iterable
from concurrent import futures

from claude_route.access import live_secrets
from claude_route.pages import asking
from claude_route.pages import browser
from claude_route.pages import content
from claude_route.pages import parameters
from claude_route.pages.sessions import bodies
from claude_route.pages.sessions import breath
from claude_route.pages.sessions import growing
from claude_route.pages.sessions import har
from claude_route.pages.sessions import lines
from claude_route.pages.sessions import opened
from claude_route.pages.sessions import places
from claude_route.pages.sessions import rendering
from claude_route.pages.sessions import views
from claude_route.profile import profiles
from claude_route.proxy import state
from claude_route.sessions import report
from claude_route.sessions import tree

PIECE = 64 * 1024
"""Bytes that are looked through at once."""

PARAMETERS = ("search", "from", "all", "with", "part", "block", "as", "version")
"""Of all its pages. Where one means nothing, it is ignored: an address may have it from another of these pages."""

NO_SESSION = "This proxy has seen no such session"
NO_TURN = "This session has no such turn"


async def answer(
    question: asking.Question, in_force: state.State, sources: asking.Sources
) -> content.Content:
    """Raises:
    ValueError: a parameter is wrong, or none of PARAMETERS.
    LookupError: there is no such session or turn, or it isn't the viewer's.
    """
    parameters.check(question.query, PARAMETERS)
    await sources.catch_up()
    asked = _Answer(question, sources)
    made = asked.make()
    thread = _thread("exports" if asked.is_long else "pages")
    return await asyncio.get_running_loop().run_in_executor(thread, lambda: hidden(made()))


def hidden(shown: content.Content) -> content.Content:
    """Without secrets. A piece at a time, as a secret has no end of a line: while all of an export is read at once,
    no other thread runs."""
    body = shown.body
    if len(body) <= PIECE:
        return shown._replace(body=live_secrets.hide(body))
    pieces, start = [], 0
    while start < len(body):
        end = body.find(b"\n", start + PIECE) + 1 or len(body)
        pieces.append(live_secrets.hide(body[start:end]))
        breath.take()
        start = end
    return shown._replace(body=b"".join(pieces))


def has(path: str, profile: profiles.Profile) -> bool:
    """Whether a path below `/sessions` is this page's."""
    return places.is_one(path)


@functools.cache
def _thread(name: str) -> futures.ThreadPoolExecutor:
    # Not the one that reads requests: nobody's request waits for a page, and no page for an export.
    return futures.ThreadPoolExecutor(1, thread_name_prefix=name)


class _Answer:
    def __init__(self, question: asking.Question, sources: asking.Sources) -> None:
        viewer = question.viewer
        self.query = question.query
        self.place = places.read(question.path)
        self.client = viewer.name if viewer and not question.sees_all else None
        self.book = sources.sessions
        self.clock = sources.clock
        self.wants_html = browser.wants_html(question.accept)
        # Programs get a session with its first turn, people also before it.
        self.is_page = self.wants_html or "version" in self.query
        self.in_memory: bodies.Find = lambda flow: sources.kept(flow, question.in_mitmweb)
        self.find: bodies.Find = lambda flow: _kept(self.in_memory(flow), flow, sources)
        self.view = rendering.View(
            places.root(question.path),
            question.in_mitmweb,
            is_export=bool(self.place.extension),
            sees_all=question.sees_all,
            client=self.client or "",
        )

    @property
    def is_long(self) -> bool:
        """Whether the answer is of all that a session has: its length is whatever clients have sent."""
        place = self.place
        is_whole = bool(place.session) and not place.turn and not self.wants_html
        return bool(place.extension) or "all" in self.query or is_whole

    def make(self) -> Callable[[], content.Content]:
        """What takes long is returned, to be done in the thread; the book is read on the event loop."""
        if self.place.session:
            shown = self._session(self.place.session)
            if "version" in self.query:
                return functools.partial(content.json, {"version": version([shown])})
            if self.place.extension:
                return functools.partial(self._exported, shown)
            return self._turn(shown) if self.place.turn else self._whole(shown)
        sessions = self.book.sessions(self.client, begun=self.is_page)
        if "version" in self.query:
            return lambda: content.json({"version": version(sessions)})
        if words := self.query.get("search", "")[:200].strip():
            return lambda: self._found(words, sessions)
        if not self.wants_html:
            return lambda: content.json(report.listing(sessions, self.book.version))
        first = parameters.number(self.query, "from")
        return lambda: views.listing(sessions, self.view, first, version(sessions))

    def _session(self, id: str) -> tree.Session:
        shown = self.book.session(id, self.client, begun=self.is_page)
        if shown is None:
            raise LookupError(NO_SESSION)
        return shown

    def _found(self, words: str, sessions: list[tree.Session]) -> content.Content:
        hits = report.find(words, sessions)
        if not self.wants_html:
            return content.json(report.hits(hits))
        return views.found(words, hits, sessions, self.view)

    def _whole(self, shown: tree.Session) -> Callable[[], content.Content]:
        if not self.wants_html:
            return lambda: content.json(report.whole(shown))
        running = self.book.running(shown.id, self.client)
        is_whole = "all" in self.query
        return lambda: content.Content(
            views.HTML,
            views.session(shown, self.view, version([shown]), running, is_whole=is_whole),
        )

    def _turn(self, shown: tree.Session) -> Callable[[], content.Content]:
        id = self.place.turn
        running = self.book.running(shown.id, self.client)
        is_running = id in running
        entry = shown.entry(id)
        if entry is None and not is_running:
            raise LookupError(NO_TURN)
        others = [each for each in self.query.get("with", "").split(",") if each]
        if len(others) >= views.COMPARED:
            raise ValueError(f"with: expected up to {views.COMPARED - 1} turns, got {len(others)}")
        compared = [self._other(each) for each in others]
        part = parameters.choice(self.query, "part", opened.PARTS)
        form = parameters.choice(self.query, "as", (views.MARKDOWN,))
        return lambda: self._opened(
            shown,
            entry or self._growing(shown, id, running[id].at),
            compared,
            part,
            form,
            is_running=is_running,
        )

    def _growing(self, shown: tree.Session, id: str, began: float) -> tree.Entry:
        kept, now = self.in_memory(id), self.clock()
        if kept:
            return growing.entry(kept, shown.id, shown.entries, now)
        return growing.unread(id, began, shown.id, now)

    def _other(self, flow: str) -> tuple[str, tree.Entry]:
        """A turn with which one is compared, perhaps of another session."""
        entry = self.book.entry(flow, self.client)
        if entry is None:
            raise LookupError(NO_TURN)
        return entry.turn.session or "none", entry

    def _opened(
        self,
        shown: tree.Session,
        entry: tree.Entry,
        others: list[tuple[str, tree.Entry]],
        part: str,
        form: str,
        *,
        is_running: bool,
    ) -> content.Content:
        kept = self._bodies(shown, entry)
        if others:
            read = [(id, each, bodies.read(each, self.find)) for id, each in others]
            return views.comparison(shown, [(shown.id, entry, kept), *read], self.view)
        if key := self.query.get("block", ""):
            return views.block(entry, kept, self.view, key, form)
        if not self.wants_html:
            return content.json(report.one(entry, shown))
        stamp = (
            version([shown], len(kept.kept.flow.response.raw_content or b""))
            if (is_running and kept.kept and kept.kept.flow.response)
            else version([shown])
        )
        return views.turn(shown, entry, kept, self.view, stamp, part, is_running=is_running)

    def _bodies(self, shown: tree.Session, entry: tree.Entry) -> bodies.Bodies:
        earlier = [each for each in reversed(shown.entries) if each.turn.at < entry.turn.at]
        return bodies.read(entry, self.find, earlier)

    def _exported(self, shown: tree.Session) -> content.Content:
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in shown.id)
        file = f"session-{name[:64]}.{self.place.extension}"
        match self.place.extension:
            case "html":
                page = views.export(shown, self.find, self.view)
                return content.Content(views.HTML, page, file)
            case "jsonl":
                return content.Content("application/jsonl", lines.of(shown, self.find), file)
            case _:
                return content.Content("application/json", har.of(shown, self.find), file)


def _kept(kept: asking.Kept | None, flow: str, sources: asking.Sources) -> asking.Kept | None:
    """What is in memory, or else, and where its bodies were dropped, what was saved."""
    if kept and kept.flow.request.raw_content is not None:
        return kept
    return sources.saved(flow) or kept


def version(sessions: Iterable[tree.Session], more: int = 0) -> str:
    """Changes with what is shown of these sessions."""
    hashing = hashlib.blake2b(digest_size=8)
    for shown in sessions:
        number = f"{len(shown.entries)} {len(shown.copies)}"
        text = f"{shown.id} {number} {shown.ended} {shown.running} {more}\n"
        hashing.update(text.encode("utf-8", "replace"))
    return hashing.hexdigest()
