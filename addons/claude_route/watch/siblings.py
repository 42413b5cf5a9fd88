"""The sessions of all workers of one supervisor, whichever of them is asked.

The system gives each connection to any worker, so that the turns of a session are in several. When a page is asked
for, and only then, its worker asks the others at their Unix sockets for the turns that it lacks, and adds them to
its own: all that pages do (search, compare, export, …) is done there as if it were the only one. The bodies stay
where they are until a page shows one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec

from claude_route import background
from claude_route.access import hidden_flows
from claude_route.pages import asking
from claude_route.sessions import book
from claude_route.sessions import packing
from claude_route.sessions import turns
from claude_route.store import peers
from claude_route.watch import carried_flows

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that another worker has for one answer."""

REST = 10.0
"""Seconds for which one that doesn't answer isn't asked again: pages would wait for it."""

FRESH = 1.0
"""Seconds for which we know whose bodies another worker keeps."""

CHUNK = 100
"""Turns of one answer."""

BATCH = 20
"""Turns that are added at once; between two batches the event loop does its work."""

_LENGTH = 4
"""Bytes before a message, with its length."""

type Find = Callable[[str, bool], asking.Kept | None]


class Question(msgspec.Struct, omit_defaults=True):
    """What a worker asks another: one of these."""

    since: tuple[str, int] | None = None
    """What has come after this count, if its life still is the one with this name."""
    turns: list[str] = []
    """The turns of these flows."""
    holdings: bool = False
    """The flows of which it keeps bodies."""
    kept: str = ""
    """What it keeps of this flow."""


class News(msgspec.Struct):
    life: str
    """Another one after a restart."""
    count: int
    flows: list[tuple[float, str]]
    """When they began, and their ids."""
    running: dict[str, dict[str, book.Running]]
    """What this worker is answering: session -> flow."""


_QUESTION = msgspec.msgpack.Decoder(Question)
_NEWS = msgspec.msgpack.Decoder(News)
_FLOWS = msgspec.msgpack.Decoder(list[str])


class Sibling:
    """Another worker, as this one sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.life = ""
        self.count = 0
        self.running: set[tuple[str, str]] = set()
        """Sessions and flows that it is answering."""
        self.rests_until = 0.0
        self.holdings: frozenset[str] = frozenset()
        self.held_at = float("-inf")


class Siblings:
    """An addon."""

    def __init__(
        self,
        own: peers.Worker,
        sessions: book.Book,
        find: Find,
        holdings: Callable[[], list[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`find` and `holdings` are about the bodies that this worker keeps."""
        folder = Path(own.folder)
        self.path = folder / str(own.number)
        numbers = (number for number in range(1, own.total + 1) if number != own.number)
        self.others = [Sibling(folder / str(number)) for number in numbers]
        self._book = sessions
        self._find = find
        self._holdings = holdings
        self._clock = clock
        self._life = uuid.uuid4().hex
        self._server: asyncio.Server | None = None
        self._asking: asyncio.Task[None] | None = None

    def running(self) -> None:
        background.start(self.open(), "the opening to other workers")

    def done(self) -> None:
        if self._server:
            self._server.close()

    async def open(self) -> None:
        """Answer the others from now on."""
        try:
            self._server = await asyncio.start_unix_server(self._serve, self.path)
            self.path.chmod(0o600)
        except OSError as e:
            logger.warning(f"The page /sessions of other workers lacks this one's turns: {e}")

    # What pages ask for

    async def catch_up(self) -> None:
        """Add the turns that only others have had so far."""
        if self._asking is None or self._asking.done():
            self._asking = background.start(self._catch_up(), "the question to other workers")
        # Who goes away meanwhile doesn't stop it for others.
        await asyncio.shield(self._asking)

    def find(self, flow: str, in_mitmweb: bool) -> asking.Kept | None:
        """What any worker keeps of a flow. Called in the pages' thread: it waits for the others."""
        if kept := self._find(flow, in_mitmweb):
            return kept
        for other in self.others:
            if self._clock() < other.rests_until:
                continue
            try:
                if other.held_at + FRESH < self._clock():
                    held = _ask_now(other.path, Question(holdings=True))
                    other.holdings = frozenset(_FLOWS.decode(held))
                    other.held_at = self._clock()
                data = flow in other.holdings and _ask_now(other.path, Question(kept=flow))
                if data:
                    return carried_flows.unpack(data)
            except (OSError, ValueError):
                other.rests_until = self._clock() + REST
        return None

    async def _catch_up(self) -> None:
        found = await asyncio.gather(*map(self._news, self.others))
        lacking: dict[str, tuple[float, Sibling]] = {}
        for other, news in zip(self.others, found, strict=True):
            for at, flow in news.flows if news else ():
                if not self._book.journal.has(flow):
                    lacking.setdefault(flow, (at, other))
        newest = sorted(lacking, key=lambda flow: lacking[flow][0], reverse=True)
        ordered = newest[: self._book.max_turns][::-1]
        for start in range(0, len(ordered), CHUNK):
            await self._fetch({flow: lacking[flow][1] for flow in ordered[start : start + CHUNK]})
        for other, news in zip(self.others, found, strict=True):
            self._runs(other, news.running if news else {})

    async def _news(self, other: Sibling) -> News | None:
        """None if it doesn't answer."""
        if self._clock() < other.rests_until or not self._book.max_turns:
            return None
        try:
            answer = await _ask(other.path, Question(since=(other.life, other.count)))
            news = _NEWS.decode(answer)
        except (OSError, ValueError, EOFError):
            other.rests_until = self._clock() + REST
            return None
        other.life, other.count = news.life, news.count
        return news

    async def _fetch(self, flows: dict[str, Sibling]) -> None:
        by_other: dict[Sibling, list[str]] = {}
        for flow, other in flows.items():
            by_other.setdefault(other, []).append(flow)
        fetched: list[turns.Turn] = []
        for other, wanted in by_other.items():
            try:
                data = await _ask(other.path, Question(turns=wanted))
                fetched += await asyncio.to_thread(packing.unpack, data, self._known)
            except (OSError, ValueError, EOFError):
                # The next page asks for all that it has.
                other.life = ""
        fetched.sort(key=lambda turn: turn.at)
        for start in range(0, len(fetched), BATCH):
            for turn in fetched[start : start + BATCH]:
                if not self._book.journal.has(turn.flow):
                    self._book.add(turn)
            await asyncio.sleep(0)

    def _known(self, session: str) -> turns.Known:
        return self._book.known(session)[0]

    def _runs(self, other: Sibling, running: dict[str, dict[str, book.Running]]) -> None:
        """What another worker is answering now."""
        now = {
            (session, flow): about
            for session, each in running.items()
            for flow, about in each.items()
        }
        for session, flow in other.running - now.keys():
            self._book.over(session, flow)
        for session, flow in now.keys() - other.running:
            if not self._book.has(flow):
                self._book.began(session, flow, *now[session, flow])
        other.running = set(now)

    # What others ask

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                question = _QUESTION.decode(await _read(reader))
                answer = await self._answer(question)
                writer.write(len(answer).to_bytes(_LENGTH) + answer)
                await writer.drain()
        except (OSError, ValueError, EOFError):
            pass  # It went away, or gave up.
        finally:
            writer.close()

    async def _answer(self, question: Question) -> bytes:
        if question.since:
            return msgspec.msgpack.encode(self._own_news(*question.since))
        if question.holdings:
            return msgspec.msgpack.encode(self._holdings())
        if question.kept:
            kept = self._find(question.kept, False)
            return await asyncio.to_thread(_packed, kept) if kept else b""
        found = [turn for flow in question.turns if (turn := self._book.turn(flow))]
        return await asyncio.to_thread(packing.pack, found)

    def _own_news(self, life: str, count: int) -> News:
        self._book.before_reading()
        journal = self._book.journal
        flows = journal.since(count if life == self._life else 0)
        found = [(turn.at, flow) for flow in flows if (turn := self._book.turn(flow))]
        theirs = {pair for other in self.others for pair in other.running}
        running = {
            session: mine
            for session, flows_of in self._book.all_running().items()
            if (mine := {f: each for f, each in flows_of.items() if (session, f) not in theirs})
        }
        return News(self._life, journal.count, found, running)


async def _ask(path: Path, question: Question) -> bytes:
    """Raises OSError, ValueError, EOFError: there is no answer in time."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            asked = msgspec.msgpack.encode(question)
            writer.write(len(asked).to_bytes(_LENGTH) + asked)
            return await _read(reader)
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH)))


def _packed(kept: asking.Kept) -> bytes:
    """Without secrets: another worker doesn't know which credentials have come to this one."""
    upstream = kept.upstream and hidden_flows.hidden_message(kept.upstream)
    flow = hidden_flows.hidden(kept.flow)
    return carried_flows.pack(dataclasses.replace(kept, flow=flow, upstream=upstream))


def _ask_now(path: Path, question: Question) -> bytes:
    """The same, in a thread."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(os.fspath(path))
        asked = msgspec.msgpack.encode(question)
        connection.sendall(len(asked).to_bytes(_LENGTH) + asked)
        with connection.makefile("rb") as answer:
            length = int.from_bytes(answer.read(_LENGTH))
            return answer.read(length)
