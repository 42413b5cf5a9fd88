"""The sessions that this process has seen: bounded, and read by the pages.

Only the event loop writes it. What `sessions` and `session` return doesn't change any more.
"""

from __future__ import annotations

from collections import OrderedDict

from claude_route.sessions import misses
from claude_route.sessions import tree
from claude_route.sessions import turns

MAX_TURNS = 5000
"""Of all sessions. Beyond it, the session is dropped that was quiet the longest."""

MAX_SESSION = 2000
"""Turns of one session. Beyond it, the session's oldest are dropped."""

MAX_SESSIONS = 1000

MAX_WEIGHT = 64 * 1024 * 1024
"""About how many bytes all turns may take: a turn of Claude Code takes some 10 KB, but anyone may send
requests of 20,000 blocks."""

BATCH = 10
"""When a session is too long, one in this many of its turns is dropped at once."""

_TURN, _BLOCK, _PLACE = 1500, 600, 8
"""About how many bytes a turn takes, a block that no other turn has, and each block's place in a turn."""

NONE = "none"
"""The id of the session of those requests that name none."""


class Record:
    """A session's turns as they came in."""

    def __init__(self, dollars: misses.Dollars | None) -> None:
        self.dollars = dollars
        self.turns: dict[str, turns.Turn] = {}
        """By their flows' ids."""
        self.blocks: dict[bytes, turns.Block] = {}
        """The turns share equal blocks."""
        self.calls: dict[str, str] = {}
        """The tools' names by the ids of their calls."""
        self.running: dict[str, float] = {}
        """The flows that are being answered, and when they began."""
        self.senders: set[str] = set()
        """The names of the clients that have sent turns of it."""
        self.weight = 0
        """About how many bytes it takes."""
        self.built: tree.Session | None = None
        self._growing: tree.Growing | None = tree.Growing(dollars)
        """None after a turn that came too late for its place, until the session is read."""

    def add(self, turn: turns.Turn) -> None:
        is_new = turn.flow not in self.turns
        self._take(turn)
        if self._growing and not (is_new and self._growing.add(turn)):
            self._growing = None

    def _take(self, turn: turns.Turn) -> None:
        before = len(self.blocks)
        for block in (*turn.blocks, *turn.answer):
            self.blocks.setdefault(block.digest, block)
        self.calls.update((call.id, call.name) for call in turn.calls)
        self.senders.add(turn.client)
        self.turns[turn.flow] = turn
        self.weight += _TURN + len(turn.words)
        self.weight += _BLOCK * (len(self.blocks) - before) + _PLACE * len(turn.blocks)

    def forget_oldest(self, count: int) -> list[str]:
        """Drop so many turns. Returns their flows."""
        ordered = sorted(self.turns.values(), key=lambda turn: turn.at)
        self.turns, self.blocks, self.calls, self.senders = {}, {}, {}, set()
        self.weight, self._growing = 0, None
        for turn in ordered[count:]:
            self._take(turn)
        return [turn.flow for turn in ordered[:count]]

    def session(self) -> tree.Session:
        if self._growing is None:
            self._growing = tree.Growing(self.dollars)
            for turn in sorted(self.turns.values(), key=lambda turn: turn.at):
                self._growing.add(turn)
        if self.built is None:
            self.built = self._growing.session(len(self.running))
        return self.built


class Book:
    def __init__(self, max_turns: int = MAX_TURNS, dollars: misses.Dollars | None = None) -> None:
        """`dollars` has the prices of tokens."""
        self.max_turns = max_turns
        self.dollars = dollars
        self.version = 0
        """Grows with each change, so that a page can ask whether there is anything new."""
        self._records: OrderedDict[str, Record] = OrderedDict()
        """The one that was quiet the longest comes first."""
        self._sessions: dict[str, str] = {}
        """Flow -> session."""
        self._weight = 0

    # Read by pages

    def sessions(self, client: str | None = None) -> list[tree.Session]:
        """The newest first: the one with the latest request. `client`: only what the client with this name
        has sent."""
        found = (self._of(record, client) for record in reversed(self._records.values()))
        built = [session for session in found if session]
        return sorted(built, key=lambda session: -session.entries[-1].turn.at)

    def session(self, id: str, client: str | None = None) -> tree.Session | None:
        record = self._records.get(id)
        return self._of(record, client) if record else None

    def _of(self, record: Record, client: str | None) -> tree.Session | None:
        """A session as a client may see it: anyone may write another's session into a request."""
        if not record.turns or (client is not None and client not in record.senders):
            return None
        if client is None or len(record.senders) == 1:
            return record.session()
        mine = [turn for turn in record.turns.values() if turn.client == client]
        return tree.build(mine, dollars=self.dollars)

    def entry(self, flow: str, client: str | None = None) -> tree.Entry | None:
        """The turn of a flow, in its session."""
        session = self.session(self._sessions.get(flow, ""), client)
        return session.entry(flow) if session else None

    def running(self, session: str) -> dict[str, float]:
        """The flows of a session that are being answered now, and when they began."""
        record = self._records.get(session)
        return dict(record.running) if record else {}

    def has(self, flow: str) -> bool:
        """Whether there is a turn of this flow."""
        return flow in self._sessions

    def __len__(self) -> int:
        """The number of turns."""
        return len(self._sessions)

    # Written by the recorder

    def began(self, session: str, flow: str, at: float) -> None:
        """A request is being answered."""
        self._record(session).running[flow] = at
        self._changed(session)

    def known(self, session: str) -> tuple[turns.Known, dict[str, str]]:
        """The session's blocks and the names of its calls, with which its next turn is read faster."""
        record = self._records.get(session or NONE)
        return (record.blocks, record.calls) if record else ({}, {})

    def add(self, turn: turns.Turn) -> None:
        """A turn is over. Replaces an earlier turn of the same flow."""
        record = self._record(turn.session)
        record.running.pop(turn.flow, None)
        self._weight -= record.weight
        record.add(turn)
        self._sessions[turn.flow] = turn.session or NONE
        if len(record.turns) > MAX_SESSION or record.weight > MAX_WEIGHT:
            for flow in record.forget_oldest(max(len(record.turns) // BATCH, 1)):
                self._sessions.pop(flow, None)
        self._weight += record.weight
        self._changed(turn.session)
        while self._is_full() and len(self._records) > 1:
            self._forget(next(iter(self._records)))

    def _is_full(self) -> bool:
        return len(self._sessions) > self.max_turns or self._weight > MAX_WEIGHT

    def over(self, session: str, flow: str) -> None:
        """A request has ended without a turn."""
        if (record := self._records.get(session or NONE)) and record.running.pop(flow, None):
            self._changed(session)

    def _record(self, session: str) -> Record:
        record = self._records.setdefault(session or NONE, Record(self.dollars))
        self._records.move_to_end(session or NONE)
        if len(self._records) > MAX_SESSIONS:
            self._forget(next(iter(self._records)))
        return record

    def _changed(self, session: str) -> None:
        self.version += 1
        self._records[session or NONE].built = None

    def _forget(self, session: str) -> None:
        record = self._records.pop(session)
        self._weight -= record.weight
        for flow in record.turns:
            self._sessions.pop(flow, None)
