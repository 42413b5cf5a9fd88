"""The sessions that this process has seen: bounded, and read by the pages.

Only the event loop writes it. What `sessions` and `session` return doesn't change any more.
"""

from __future__ import annotations

from collections import OrderedDict

from claude_route.sessions import misses
from claude_route.sessions import tree
from claude_route.sessions import turns

MAX_TURNS = 5000
"""Of all sessions. Beyond it the session is dropped that was quiet the longest; with a few new blocks in
each turn they take some 20 MB."""

MAX_SESSION = 2000
"""Turns of one session. Beyond it, the session's oldest are dropped."""

BATCH = 10
"""When a session is full, one in this many of its turns is dropped at once."""

MAX_SESSIONS = 1000

NONE = "none"
"""The id of the session of those requests that name none."""


class Record:
    """A session's turns as they came in."""

    def __init__(self) -> None:
        self.turns: dict[str, turns.Turn] = {}
        """By their flows' ids."""
        self.blocks: dict[bytes, turns.Block] = {}
        """The turns share equal blocks."""
        self.calls: dict[str, str] = {}
        """The tools' names by the ids of their calls."""
        self.running: dict[str, float] = {}
        """The flows that are being answered, and when they began."""
        self.growing: tree.Growing | None = None
        """None until the session is read, and after turns came out of order."""
        self.built: tree.Session | None = None

    def add(self, turn: turns.Turn) -> None:
        for block in (*turn.blocks, *turn.answer):
            self.blocks.setdefault(block.digest, block)
        self.calls.update((call.id, call.name) for call in turn.calls)
        is_next = turn.flow not in self.turns and (self.growing and turn.at >= self.growing.at)
        self.turns[turn.flow] = turn
        if self.growing and is_next:
            self.growing.add(turn)
        else:
            self.growing = None

    @property
    def senders(self) -> set[str]:
        """The names of the clients that have sent turns of it."""
        return {turn.client for turn in self.turns.values()}

    def forget_oldest(self, count: int) -> list[str]:
        """Drop so many turns. Returns their flows."""
        oldest = sorted(self.turns.values(), key=lambda turn: turn.at)[:count]
        for turn in oldest:
            del self.turns[turn.flow]
        kept = self.turns.values()
        self.blocks = {b.digest: b for turn in kept for b in (*turn.blocks, *turn.answer)}
        self.calls = {call.id: call.name for turn in kept for call in turn.calls}
        self.growing = None
        return [turn.flow for turn in oldest]

    def session(self, dollars: misses.Dollars | None) -> tree.Session:
        if self.growing is None:
            self.growing = tree.Growing(dollars)
            for turn in sorted(self.turns.values(), key=lambda turn: turn.at):
                self.growing.add(turn)
        if self.built is None:
            self.built = self.growing.session(len(self.running))
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
        senders = record.senders
        if not record.turns or (client is not None and client not in senders):
            return None
        if client is None or len(senders) == 1:
            return record.session(self.dollars)
        mine = [turn for turn in record.turns.values() if turn.client == client]
        return tree.build(mine, dollars=self.dollars)

    def entry(self, flow: str, client: str | None = None) -> tree.Entry | None:
        """The turn of a flow, in its session."""
        session = self.session(self._sessions.get(flow, ""), client)
        return session.entry(flow) if session else None

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
        record.add(turn)
        self._sessions[turn.flow] = turn.session or NONE
        self._changed(turn.session)
        if len(record.turns) > MAX_SESSION:
            for flow in record.forget_oldest(MAX_SESSION // BATCH):
                self._sessions.pop(flow, None)
        while len(self._sessions) > self.max_turns and len(self._records) > 1:
            self._forget(next(iter(self._records)))

    def over(self, session: str, flow: str) -> None:
        """A request has ended without a turn."""
        if (record := self._records.get(session or NONE)) and record.running.pop(flow, None):
            self._changed(session)

    def _record(self, session: str) -> Record:
        record = self._records.setdefault(session or NONE, Record())
        self._records.move_to_end(session or NONE)
        if len(self._records) > MAX_SESSIONS:
            self._forget(next(iter(self._records)))
        return record

    def _changed(self, session: str) -> None:
        self.version += 1
        self._records[session or NONE].built = None

    def _forget(self, session: str) -> None:
        for flow in self._records.pop(session).turns:
            self._sessions.pop(flow, None)
