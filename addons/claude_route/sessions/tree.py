"""The tree of a session: its turns in order of time, the agents under the calls that started them, and
what each turn changed."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
from collections.abc import Sequence
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

from claude_route.dialects import usage
from claude_route.sessions import diffs
from claude_route.sessions import misses
from claude_route.sessions import sources
from claude_route.sessions import threads
from claude_route.sessions import turns

FOLDED: frozenset[str] = frozenset({"title", "classifier", "count", "other"})
"""Kinds of which a page needs only how many there are, and what they cost."""


@dataclass(eq=False)
class Figures:
    """What is counted of an entry's blocks: once, when it is asked for first."""

    counts: diffs.Counts | None = None
    estimates: dict[str, int] | None = None


@dataclass(frozen=True, eq=False)
class Entry:
    """A turn in its session."""

    turn: turns.Turn
    before: turns.Turn | None
    """The turn before of the same agent and kind."""
    conversation: tuple[turns.Block, ...]
    """All its blocks, also those that the wire didn't have because a thread had them."""
    conversation_before: tuple[turns.Block, ...]
    miss: misses.Miss | None
    agents: list[Agent] = field(default_factory=list)
    """The agents that the answer's calls started, in order of time."""
    copies: list[Entry] = field(default_factory=list)
    """The copies of its request that were sent to compare models, in order of time. Each costs money, and none
    is a turn of the session."""
    saved: float | None = None
    """Dollars: see `misses.saved`."""
    figures: Figures = field(default_factory=Figures, repr=False)
    """All that are made of this one with the same blocks have the same."""

    @property
    def is_compacted(self) -> bool:
        """Whether a summary has replaced the conversation before it."""
        return self.before is not None and diffs.is_compacted(
            self.before, self.conversation_before, self.turn, self.conversation
        )

    @property
    def diff(self) -> diffs.Diff:
        """Isn't kept: two long conversations may have thousands of differences."""
        return diffs.between(self.conversation_before, self.conversation, is_anew=self.is_compacted)

    @property
    def counts(self) -> diffs.Counts:
        """The numbers of `diff`."""
        figures = self.figures
        if figures.counts is None:
            figures.counts = diffs.count(
                self.conversation_before, self.conversation, is_anew=self.is_compacted
            )
        return figures.counts

    @property
    def window(self) -> dict[str, int]:
        """Tokens by source, the largest first."""
        figures = self.figures
        if figures.estimates is None:
            figures.estimates = sources.estimates(self.conversation)
        return sources.scaled(figures.estimates, self.turn.tokens.prompt)


@dataclass(frozen=True, eq=False)
class Agent:
    """A subagent of a session."""

    id: str
    name: str
    """The description in the call that started it; empty if that call isn't known."""
    type: str
    """`Explore`; empty if it isn't known."""
    call: str
    """The id of the call that started it; empty if it isn't known."""
    parent: str
    """The id of the agent that started it; empty for the main agent."""
    entries: list[Entry]

    @property
    def title(self) -> str:
        return self.name or self.type or f"agent {self.id[:8]}"


class Fold(NamedTuple):
    """The turns of a kind that a page shows as one line."""

    kind: turns.Kind
    number: int
    cost: float | None
    tokens: usage.Usage


@dataclass(frozen=True, eq=False)
class Session:
    id: str
    """`none` for the requests that name no session."""
    title: str
    """The first prompt."""
    entries: tuple[Entry, ...]
    """All turns, in order of time."""
    agents: tuple[Agent, ...]
    """All agents, in order of time."""
    running: int = 0
    """How many requests are being answered now."""
    copies: tuple[Entry, ...] = ()
    """All copies that were sent to compare models, in order of time. They count in none of the sums."""
    began: float = 0.0
    """Unix seconds at which its first request began, if none has ended yet; then it has no turns."""

    @property
    def started(self) -> float:
        """Unix seconds."""
        return self.entries[0].turn.at if self.entries else self.began

    @property
    def latest(self) -> float:
        """Unix seconds at which its latest turn began."""
        return self.entries[-1].turn.at if self.entries else self.began

    @property
    def ended(self) -> float:
        """Unix seconds at which the last turn ended so far."""
        ends = (entry.turn.at + entry.turn.seconds for entry in self.entries)
        return max(ends, default=self.began)

    @property
    def main(self) -> list[Entry]:
        """The turns of the main agent and its compactions: the trunk of the tree. The subagents are below
        these, or in `loose`."""
        return [e for e in self.entries if not e.turn.agent and e.turn.kind not in FOLDED]

    @property
    def loose(self) -> list[Agent]:
        """The agents whose call isn't known."""
        placed = {agent.id for entry in self.entries for agent in entry.agents}
        return [agent for agent in self.agents if agent.id not in placed]

    @property
    def folded(self) -> list[Fold]:
        """Titles, checks, counts and the rest."""
        by_kind: dict[turns.Kind, list[turns.Turn]] = {}
        for entry in self.entries:
            if entry.turn.kind in FOLDED:
                by_kind.setdefault(entry.turn.kind, []).append(entry.turn)
        return [Fold(kind, len(of), cost(of), total(of)) for kind, of in sorted(by_kind.items())]

    @property
    def kinds(self) -> list[tuple[turns.Kind, int]]:
        """How many turns there are of each kind, the most frequent first."""
        return collections.Counter(entry.turn.kind for entry in self.entries).most_common()

    @property
    def turns(self) -> list[turns.Turn]:
        return [entry.turn for entry in self.entries]

    @property
    def tokens(self) -> usage.Usage:
        return total(self.turns)

    @property
    def cost(self) -> float | None:
        return cost(self.turns)

    @property
    def stray_copies(self) -> list[Entry]:
        """The copies whose turn is no longer known."""
        flows = {entry.turn.flow for entry in self.entries}
        return [copy for copy in self.copies if copy.turn.compares not in flows]

    @property
    def copies_cost(self) -> float | None:
        return cost([copy.turn for copy in self.copies])

    @property
    def cache_share(self) -> float:
        """The share of all prompts that the cache had, from 0 to 1."""
        tokens = self.tokens
        return tokens.cache_read / tokens.prompt if tokens.prompt else 0.0

    @property
    def failed_attempts(self) -> int:
        return sum(len(turn.failed) for turn in self.turns)

    @property
    def targets(self) -> list[str]:
        """Who answered, the most frequent first."""
        names = [turn.target for turn in self.turns if turn.target]
        return sorted(set(names), key=lambda name: (-names.count(name), name))

    @property
    def lost(self) -> float:
        """Dollars that cache misses cost."""
        return sum(entry.miss.cost or 0 for entry in self.entries if entry.miss)

    @property
    def saved(self) -> float:
        """Dollars that all turns would have cost more without a prompt cache."""
        return sum(entry.saved or 0 for entry in self.entries)

    def entry(self, flow: str) -> Entry | None:
        every = itertools.chain(self.entries, self.copies)
        return next((entry for entry in every if entry.turn.flow == flow), None)


class Growing:
    """A session to which turns are added as they end, and from which the oldest are dropped. No change takes
    longer the longer the session is, but for a look at the list of its entries."""

    def __init__(self, dollars: misses.Dollars | None = None) -> None:
        """`dollars` has the prices of tokens."""
        self.dollars = dollars
        self._conversations = threads.Conversations()
        self._entries: list[Entry] = []
        self._chains: dict[tuple[str, str], list[Entry]] = {}
        """The entries of each agent and kind, in order of time."""
        self._copies: list[turns.Turn] = []

    @property
    def is_empty(self) -> bool:
        """Whether it has no turn; copies that are compared with turns are none."""
        return not self._entries

    def copy(self) -> Growing:
        copied = Growing(self.dollars)
        copied._conversations = self._conversations.copy()
        copied._entries = list(self._entries)
        copied._chains = {chain: list(entries) for chain, entries in self._chains.items()}
        copied._copies = list(self._copies)
        return copied

    def add(self, turn: turns.Turn) -> None:
        if turn.compares:
            self._copies.append(turn)
            return
        chain = self._chains.setdefault(turn.chain, [])
        place = bisect.bisect(chain, turn.at, key=lambda entry: entry.turn.at)
        earlier = chain if place == len(chain) else chain[:place]
        entry = self._entry(turn, self._conversations.of(turn), earlier)
        self._entries.append(entry)
        chain.insert(place, entry)
        if place + 1 < len(chain):  # it came too late
            after = chain[place + 1]
            earlier = chain[: place + 1]
            chain[place + 1] = self._entry(after.turn, after.conversation, earlier)
            self._entries[self._entries.index(after)] = chain[place + 1]

    def forget(self, flows: Set[str]) -> None:
        """Drop the turns of these flows."""
        for name, chain in list(self._chains.items()):
            left: list[Entry] = []
            for before, entry in zip([None, *chain], chain, strict=False):
                if entry.turn.flow in flows:
                    continue
                if before and before.turn.flow in flows:
                    entry = self._entry(entry.turn, entry.conversation, left)
                left.append(entry)
            self._chains[name] = left
            if not left:
                del self._chains[name]
        self._entries = [entry for chain in self._chains.values() for entry in chain]
        self._copies = [copy for copy in self._copies if copy.flow not in flows]

    def _entry(
        self, turn: turns.Turn, conversation: tuple[turns.Block, ...], earlier: Sequence[Entry]
    ) -> Entry:
        """`earlier` are those before it of the same agent and kind."""
        before = earlier[-1] if earlier else None
        # Whatever failed in between has used no cache.
        counted = next((entry for entry in reversed(earlier) if entry.turn.used), None)
        return Entry(
            turn,
            before.turn if before else None,
            conversation,
            before.conversation if before else (),
            misses.find(counted.turn, turn, counted.conversation, conversation, self.dollars)
            if counted
            else None,
            saved=misses.saved(turn, self.dollars),
        )

    def session(self, running: int = 0) -> Session:
        """The session so far; it has at least one turn. It doesn't grow."""
        self._entries.sort(key=lambda entry: entry.turn.at)
        entries = tuple(dataclasses.replace(entry, agents=[], copies=[]) for entry in self._entries)
        session_turns = [entry.turn for entry in entries]
        return Session(
            session_turns[0].session or "none",
            title(session_turns),
            entries,
            tuple(_agents(entries)),
            running,
            tuple(_copies(self._copies, entries)),
        )


def title(ordered: Sequence[turns.Turn]) -> str:
    """The first prompt of the main agent, or else of anyone."""
    prompts = [turn for turn in ordered if turn.prompt]
    mains = [turn for turn in prompts if turn.kind == "main"]
    return next((turn.prompt for turn in mains or prompts), "")


def total(counted: Sequence[turns.Turn]) -> usage.Usage:
    """The tokens of all; those of count_tokens were never used."""
    used = [turn.tokens for turn in counted if turn.kind != "count"]
    return (
        usage.Usage(*(sum(numbers) for numbers in zip(*used, strict=True))) if used else usage.NONE
    )


def cost(counted: Sequence[turns.Turn]) -> float | None:
    """Dollars; None if no turn has a price. Turns that all failed cost nothing."""
    priced = [turn.cost for turn in counted if turn.cost is not None]
    if priced or (counted and all(turn.is_free for turn in counted)):
        return sum(priced, 0.0)
    return None


def _agents(entries: Sequence[Entry]) -> list[Agent]:
    """The agents, each put under the turn whose call started it, without what a page folds."""
    by_agent: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.turn.agent and entry.turn.kind not in FOLDED:
            by_agent.setdefault(entry.turn.agent, []).append(entry)
    calls = [
        _Start(entry, call)
        for entry in entries
        for call in entry.turn.calls
        if call.starts_agent and by_agent
    ]
    launched = {agent: call for entry in entries for call, agent in entry.turn.launched}
    by_id = {start.call.id: start for start in calls}
    found = {id: by_id[call] for id, call in launched.items() if id in by_agent and call in by_id}
    taken = {start.call.id for start in found.values()}
    waiting: dict[bytes, list[_Start]] = {}
    for start in calls:
        if start.call.id not in taken:
            waiting.setdefault(start.call.prompt, []).append(start)
    agents = []
    for id, mine in by_agent.items():
        starter = found.get(id) or _first(waiting.get(mine[0].turn.begins, []), mine[0].turn)
        if starter is None:
            agents.append(Agent(id, "", "", "", mine[0].turn.parent, mine))
            continue
        name, kind, call = starter.call.agent, starter.call.agent_type, starter.call.id
        agents.append(Agent(id, name, kind, call, starter.entry.turn.agent, mine))
        starter.entry.agents.append(agents[-1])
    return agents


def _copies(copies: Sequence[turns.Turn], entries: Sequence[Entry]) -> list[Entry]:
    """The copies, each put beside the turn that it compares, with what was new in that turn."""
    by_flow = {entry.turn.flow: entry for entry in entries} if copies else {}
    made = []
    for copy in sorted(copies, key=lambda turn: turn.at):
        if original := by_flow.get(copy.compares):
            made.append(dataclasses.replace(original, turn=copy, miss=None, agents=[], copies=[]))
            original.copies.append(made[-1])
        else:
            made.append(Entry(copy, None, copy.blocks, (), None))
    return made


class _Start(NamedTuple):
    """A call that starts an agent."""

    entry: Entry
    call: turns.Call


def _first(waiting: list[_Start], first: turns.Turn) -> _Start | None:
    """The first call with the agent's prompt that no other agent has, for an agent whose call has no
    result yet."""
    for index, start in enumerate(waiting):
        if start.entry.turn.agent != first.agent and start.entry.turn.at <= first.at:
            return waiting.pop(index)
    return None
