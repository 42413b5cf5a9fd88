"""The sessions that this process has seen: bounded, and read by the pages.

Only the event loop writes it. What `sessions` and `session` return doesn't change any more.
"""

from __future__ import annotations

import collections
import heapq
import operator
from collections import OrderedDict
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from claude_route.sessions import journal
from claude_route.sessions import misses
from claude_route.sessions import prefixes
from claude_route.sessions import shares
from claude_route.sessions import tree
from claude_route.sessions import turns

MAX_TURNS = 5000
"""Of all sessions. Beyond it, the session is dropped that was quiet the longest, of the client that has the most."""

MAX_SESSION = 2000
"""Turns of one session. Beyond it, the session's oldest are dropped."""

MAX_SESSIONS = 1000

MAX_WEIGHT = 64 * 1024 * 1024
"""About how many bytes all turns may take: a turn of Claude Code takes some 10 KB, but anyone may send
requests of 20,000 blocks."""

BATCH = 100
"""When a session is too long, one in this many of its turns is dropped at once."""

SPARE = 20
"""When all together are too much, room is made for one in this many."""

_TURN, _BLOCK, _PLACE = 1500, 600, 8
"""About how many bytes a turn takes, a block that no other turn has, and each block's place in a turn."""

_DIGEST = operator.attrgetter("digest")

NONE = "none"
"""The id of the session of those requests that name none."""


class Running(NamedTuple):
    """A request that is being answered."""

    at: float
    """Unix seconds at which it began."""
    client: str = ""
    prompt: str = ""
    """The beginning of what it asks, if it is known before it is answered."""


class Record:
    """A session's turns as they came in."""

    def __init__(self, dollars: misses.Dollars | None) -> None:
        self.dollars = dollars
        self.turns: dict[str, turns.Turn] = {}
        """By their flows' ids."""
        self.blocks: dict[bytes, turns.Block] = {}
        """The turns share equal blocks."""
        self.past = prefixes.Prefixes()
        """Grows while a turn is read, in another thread."""
        self._past = 0
        """What they have of the weight."""
        self.calls: dict[str, str] = {}
        """The tools' names by the ids of their calls."""
        self.running: dict[str, Running] = {}
        """The flows that are being answered."""
        self.weight = 0
        """About how many bytes it takes."""
        self._turns_with: collections.Counter[bytes] = collections.Counter()
        """How many turns have a block, by its digest."""
        self._turns_of: collections.Counter[str] = collections.Counter()
        """How many turns each client has sent, by its name."""
        self._growing: dict[str | None, tree.Growing] = {None: tree.Growing(dollars)}
        """For None all turns; if several clients have sent some, for each of them its own. Empty after a
        turn was replaced, until one is read."""
        self._built: dict[str | None, tree.Session] = {}

    def add(self, turn: turns.Turn) -> None:
        if replaced := self.turns.get(turn.flow):
            self._leave(replaced)
            self._growing.clear()
        elif self._turns_of and turn.client not in self._turns_of:
            if len(self._turns_of) == 1 and None in self._growing:
                self._growing[next(iter(self._turns_of))] = self._growing[None].copy()
            self._growing[turn.client] = tree.Growing(self.dollars)
        for name in (None, turn.client):
            if name in self._growing:
                self._growing[name].add(turn)
        self.changed()
        self.turns[turn.flow] = turn
        self.calls.update((call.id, call.name) for call in turn.calls)
        self._turns_of[turn.client] += 1
        self.weight += _TURN + len(turn.words) + _PLACE * len(turn.blocks)
        # A long conversation has thousands of blocks, of which a few are new: no loop in Python.
        blocks = (*turn.blocks, *turn.answer)
        digests = list(map(_DIGEST, blocks))
        self._turns_with.update(digests)
        if fresh := set(digests).difference(self.blocks):
            by_digest = dict(zip(digests, blocks, strict=True))
            if len(fresh) < len(by_digest):
                by_digest = {digest: by_digest[digest] for digest in fresh}
            self.blocks.update(by_digest)
            self.weight += _BLOCK * len(fresh)
        self.weight += self.past.weight - self._past
        self._past = self.past.weight

    def _leave(self, turn: turns.Turn) -> None:
        del self.turns[turn.flow]
        for call in turn.calls:
            self.calls.pop(call.id, None)
        self._turns_of[turn.client] -= 1
        if not self._turns_of[turn.client]:
            del self._turns_of[turn.client]
            self._growing.pop(turn.client, None)
        self.weight -= _TURN + len(turn.words) + _PLACE * len(turn.blocks)
        before = len(self.blocks)
        for block in (*turn.blocks, *turn.answer):
            self._turns_with[block.digest] -= 1
            if not self._turns_with[block.digest]:
                del self._turns_with[block.digest], self.blocks[block.digest]
        self.weight -= _BLOCK * (before - len(self.blocks))
        # Some of them may have blocks that nobody else has any more.
        self.weight -= self._past
        self.past, self._past = prefixes.Prefixes(), 0

    def forget_oldest(self, count: int) -> list[str]:
        """Drop so many turns, of the client that has the most of them. Returns their flows."""
        client = max(self._turns_of, key=lambda name: (self._turns_of[name], name))
        mine = (turn for turn in self.turns.values() if turn.client == client)
        return self._forget(heapq.nsmallest(count, mine, key=lambda turn: turn.at))

    def forget_all_of(self, client: str) -> list[str]:
        """Drop the turns that a client has sent. Returns their flows."""
        return self._forget([turn for turn in self.turns.values() if turn.client == client])

    def _forget(self, dropped: Sequence[turns.Turn]) -> list[str]:
        for turn in dropped:
            self._leave(turn)
        flows = {turn.flow for turn in dropped}
        for growing in self._growing.values():
            growing.forget(flows)
        self.changed()
        return list(flows)

    def holding(self, session: str) -> shares.Holding:
        began_by = {each.client: 0 for each in self.running.values()}
        return shares.Holding(session, self._turns_of or began_by or {"": 0}, self.weight)

    def changed(self) -> None:
        self._built.clear()

    def answering(self, client: str | None = None) -> dict[str, Running]:
        """The flows that are being answered: those of a client, or all."""
        return {
            flow: running
            for flow, running in self.running.items()
            if client in (None, running.client)
        }

    def session(self, client: str | None = None) -> tree.Session | None:
        """As a client may see it: anyone may write another's session into a request. None if it has sent
        no turn: copies that are compared with turns are none."""
        if not self._turns_of or (client is not None and client not in self._turns_of):
            return None
        name = client if len(self._turns_of) > 1 else None
        if name not in self._growing:
            self._growing[name] = tree.Growing(self.dollars)
            mine = (turn for turn in self.turns.values() if name in (None, turn.client))
            for turn in sorted(mine, key=lambda turn: turn.at):
                self._growing[name].add(turn)
        if self._growing[name].is_empty:
            return None
        if name not in self._built:
            self._built[name] = self._growing[name].session(len(self.answering(name)))
        built, running = self._built[name], len(self.answering(client))
        return built if built.running == running else replace(built, running=running)

    def begun(self, id: str, client: str | None = None) -> tree.Session | None:
        """The session with this id, before its first turn; None if no request is being answered."""
        running = self.answering(client)
        if not running:
            return None
        first = min(running.values())
        return tree.Session(id, first.prompt, (), (), len(running), began=first.at)


class Book:
    def __init__(self, max_turns: int = MAX_TURNS, dollars: misses.Dollars | None = None) -> None:
        """`dollars` has the prices of tokens."""
        self.max_turns = max_turns
        self.dollars = dollars
        self.version = 0
        """Grows with each change, so that a page can ask whether there is anything new."""
        self.before_reading: Callable[[], None] = lambda: None
        """Called before anything is read: it may add turns that wait."""
        self.journal = journal.Journal()
        """The turns in the order in which they came."""
        self._records: OrderedDict[str, Record] = OrderedDict()
        """The one that was quiet the longest comes first."""
        self._sessions: dict[str, str] = {}
        """Flow -> session."""
        self._weight = 0

    # Read by pages

    def sessions(self, client: str | None = None, *, begun: bool = False) -> list[tree.Session]:
        """The newest first: the one with the latest request. `client`: only what the client with this name
        has sent. `begun`: also those whose first request is being answered."""
        self.before_reading()
        ids = reversed(self._records)
        built = [session for id in ids if (session := self._session(id, client, begun=begun))]
        return sorted(built, key=lambda session: -session.latest)

    def session(
        self, id: str, client: str | None = None, *, begun: bool = False
    ) -> tree.Session | None:
        self.before_reading()
        return self._session(id, client, begun=begun)

    def _session(self, id: str, client: str | None, *, begun: bool) -> tree.Session | None:
        record = self._records.get(id)
        if record is None:
            return None
        return record.session(client) or (record.begun(id, client) if begun else None)

    def entry(self, flow: str, client: str | None = None) -> tree.Entry | None:
        """The turn of a flow, in its session."""
        self.before_reading()
        session = self.session(self._sessions.get(flow, ""), client)
        return session.entry(flow) if session else None

    def running(self, session: str, client: str | None = None) -> dict[str, Running]:
        """The flows of a session that are being answered now. `client`: only what the client with this name
        asks."""
        self.before_reading()
        record = self._records.get(session)
        return record.answering(client) if record else {}

    def all_running(self) -> dict[str, dict[str, Running]]:
        """The requests that are being answered now: session -> flow."""
        return {id: dict(each.running) for id, each in self._records.items() if each.running}

    def has(self, flow: str) -> bool:
        """Whether there is a turn of this flow."""
        return flow in self._sessions

    def turn(self, flow: str) -> turns.Turn | None:
        record = self._records.get(self._sessions.get(flow, ""))
        return record.turns.get(flow) if record else None

    def __len__(self) -> int:
        """The number of turns."""
        return len(self._sessions)

    # Written by the recorder

    def began(self, session: str, flow: str, at: float, client: str = "", prompt: str = "") -> None:
        """A request is being answered. `client`: whose it is."""
        self._record(session).running[flow] = Running(at, client, prompt)
        self._changed(session)

    def known(self, session: str) -> tuple[turns.Known, dict[str, str]]:
        """The session's blocks and the names of its calls, with which its next turn is read faster."""
        record = self._records.get(session or NONE)
        return (record.blocks, record.calls) if record else ({}, {})

    def past(self, session: str) -> prefixes.Prefixes:
        """The beginnings of the session's requests, to which the reading of its next turn adds."""
        record = self._records.get(session or NONE)
        return record.past if record else prefixes.Prefixes()

    def add(self, turn: turns.Turn) -> None:
        """A turn is over. Replaces an earlier turn of the same flow."""
        record = self._record(turn.session)
        record.running.pop(turn.flow, None)
        self._weight -= record.weight
        record.add(turn)
        self._sessions[turn.flow] = turn.session or NONE
        self.journal.add(turn.flow)
        while len(record.turns) > MAX_SESSION or (
            record.weight > MAX_WEIGHT and len(record.turns) > 1
        ):
            for flow in record.forget_oldest(max(len(record.turns) // BATCH, 1)):
                self._sessions.pop(flow, None)
        self._weight += record.weight
        self._changed(turn.session)
        if len(self._sessions) > self.max_turns or self._weight > MAX_WEIGHT:
            self._make_room()

    def _make_room(self) -> None:
        """Drop what is too much, and a little more, so that not each turn has to look for something."""
        most = (self.max_turns, MAX_WEIGHT, MAX_SESSIONS)
        limits = shares.Limits(*(limit - limit // SPARE for limit in most))
        for drop in shares.out([each.holding(id) for id, each in self._records.items()], limits):
            self._drop(drop)

    def _drop(self, drop: shares.Drop) -> None:
        record = self._records[drop.session]
        self._weight -= record.weight
        for flow in record.forget_all_of(drop.client):
            self._sessions.pop(flow, None)
        if record.turns:
            self._weight += record.weight
            self._changed(drop.session)
        else:
            del self._records[drop.session]

    def over(self, session: str, flow: str) -> None:
        """A request has ended without a turn."""
        if (record := self._records.get(session or NONE)) and record.running.pop(flow, None):
            self._changed(session)

    def _record(self, session: str) -> Record:
        record = self._records.setdefault(session or NONE, Record(self.dollars))
        self._records.move_to_end(session or NONE)
        if len(self._records) > MAX_SESSIONS:
            self._make_room()
        return record

    def _changed(self, session: str) -> None:
        self.version += 1
        self._records[session or NONE].changed()
