"""Counts the outcomes of requests by client, model and target, in bounded memory."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field

WINDOW = 300.0
"""Seconds over which a rate is measured."""

SLOT = 10.0

SLOTS = int(WINDOW / SLOT)

SAMPLES = 200
"""How many times to first byte are kept for each model of a client."""

MAX_NAMES = 200
"""Clients choose the names. Beyond this many of one client, the least recently used are merged into one row."""

MAX_NAME = 120
"""The longest name, in characters; Claude Code's longest model names have about 60."""

OTHERS = "(others)"


@dataclass(frozen=True)
class Times:
    """Seconds to the first byte of an answer, from when the request was read."""

    half: float
    """The median: half of the answers began sooner."""
    most: float
    """The 95th percentile."""
    of: int
    """The number of answers that were measured, the latest ones."""


@dataclass(frozen=True)
class Model:
    """Outcomes of the requests for a model, under the name that clients use."""

    name: str
    requests: int
    errors: int
    """Requests that ended in an error, including interrupted answers."""
    per_minute: float
    """Over the last WINDOW seconds, or since the start if that is later."""
    first_byte: Times | None
    tokens_in: int
    """Input tokens, including those read from the prompt cache."""
    tokens_cached: int
    """The part of `tokens_in` that was read from the cache."""
    tokens_out: int


@dataclass(frozen=True)
class Target:
    """Outcomes of the attempts at a target (`zai/glm-5`)."""

    name: str
    attempts: int = 0
    failures: int = 0
    last_error: str = ""
    """A summary: `429`, `silent for 120 s`. Empty if there was no error."""
    last_error_at: float = 0.0
    """By the clock; 0 if there was none."""
    answered_at: float = 0.0
    """When it last began to answer, by the clock; 0 if it never did."""


class _Rate:
    """Events of the last WINDOW seconds, counted in slots of SLOT seconds."""

    def __init__(self, now: float) -> None:
        self._slots = [0] * SLOTS
        self._current = int(now // SLOT)

    def add(self, now: float) -> None:
        self._advance(now)
        self._slots[self._current % SLOTS] += 1

    def count(self, now: float) -> int:
        self._advance(now)
        return sum(self._slots)

    def _advance(self, now: float) -> None:
        slot = int(now // SLOT)
        # If the clock was set back, count into the current slot until it has caught up.
        for passed in range(self._current + 1, min(slot, self._current + SLOTS) + 1):
            self._slots[passed % SLOTS] = 0
        self._current = max(self._current, slot)


class _ModelCount:
    def __init__(self, now: float) -> None:
        self.requests = self.errors = 0
        self.tokens_in = self.tokens_cached = self.tokens_out = 0
        self.rate = _Rate(now)
        self.first_bytes: deque[float] = deque(maxlen=SAMPLES)

    def take(self, other: _ModelCount) -> None:
        """Add the counts of a row that is dropped."""
        self.requests += other.requests
        self.errors += other.errors
        self.tokens_in += other.tokens_in
        self.tokens_cached += other.tokens_cached
        self.tokens_out += other.tokens_out


@dataclass
class _Traffic:
    """Of one client."""

    in_flight: int = 0
    models: OrderedDict[str, _ModelCount] = field(default_factory=OrderedDict)
    checks: OrderedDict[str, _ModelCount] = field(default_factory=OrderedDict)


class _TargetCount:
    def __init__(self) -> None:
        self.attempts = self.failures = 0
        self.last_error = ""
        self.last_error_at = self.answered_at = 0.0

    def take(self, other: _TargetCount) -> None:
        self.attempts += other.attempts
        self.failures += other.failures
        if other.last_error_at > self.last_error_at:
            self.last_error, self.last_error_at = other.last_error, other.last_error_at
        self.answered_at = max(self.answered_at, other.answered_at)


class Tally:
    """Counts one request, step by step. Calls after `closed` are ignored."""

    def __init__(
        self, stats: Stats, traffic: _Traffic, model: str, *, counted: bool, is_check: bool
    ) -> None:
        self._stats = stats
        self._traffic = traffic
        self._model = _fit(model)
        self._counted = counted
        self._rows = traffic.checks if is_check else traffic.models
        self._began = stats.clock()
        self._answered_by: str | None = None
        self._has_error = False
        self._is_open = True
        if counted:
            traffic.in_flight += 1
            row = self._row()
            row.requests += 1
            row.rate.add(self._began)

    def _row(self) -> _ModelCount:
        return _row(self._rows, self._model, lambda: _ModelCount(self._stats.clock()))

    def attempt_failed(self, target: str, why: str, *, is_at_fault: bool = True) -> None:
        """`why` is shown to people, so it must contain neither request content nor secrets.
        `is_at_fault` is false if the target rejected the request as invalid."""
        if self._is_open:
            row = self._stats.target(target)
            row.attempts += 1
            if is_at_fault:
                row.failures += 1
                row.last_error, row.last_error_at = why, self._stats.clock()
            else:
                row.answered_at = self._stats.clock()

    def answered(self, target: str) -> None:
        """The client gets the first byte of this target's answer."""
        if self._is_open:
            now = self._stats.clock()
            self._answered_by = target
            row = self._stats.target(target)
            row.attempts += 1
            row.answered_at = now
            if self._counted:
                self._row().first_bytes.append(max(0.0, now - self._began))

    def refused(self) -> None:
        """The client gets an error."""
        if self._is_open and self._counted and not self._has_error:
            self._has_error = True
            self._row().errors += 1

    def interrupted(self, why: str) -> None:
        """The upstream died in the middle of its answer."""
        if self._is_open and self._answered_by is not None:
            row = self._stats.target(self._answered_by)
            row.failures += 1
            row.last_error, row.last_error_at = why, self._stats.clock()
            self.refused()

    def used(self, tokens_in: int, tokens_out: int, *, cached: int = 0) -> None:
        """The answer's usage; `cached` of `tokens_in` were read from the prompt cache."""
        if self._is_open and self._counted:
            row = self._row()
            row.tokens_in += tokens_in
            row.tokens_cached += cached
            row.tokens_out += tokens_out

    def closed(self) -> None:
        """The request is over, however it ended."""
        if self._is_open and self._counted:
            self._traffic.in_flight -= 1
        self._is_open = False


class Stats:
    """Counts since the start."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns Unix seconds."""
        self.clock = clock
        self.started = clock()
        self._clients: dict[str, _Traffic] = {}
        """By name: a profile has them, clients can't make them up."""
        self._targets: OrderedDict[str, _TargetCount] = OrderedDict()

    def request(
        self, model: str, client: str = "", *, counted: bool = True, is_check: bool = False
    ) -> Tally:
        """A request begins. `client` is who sends it; empty without a key. Requests to count_tokens are not
        `counted`: they affect the figures of targets, but not of models. `is_check`: it asks whether a tool call
        may run, and is counted apart."""
        traffic = self._clients.get(client) or self._clients.setdefault(client, _Traffic())
        return Tally(self, traffic, model, counted=counted, is_check=is_check)

    def in_flight(self, client: str | None = None) -> int:
        """Requests that are not closed yet: those of a client, or all."""
        return sum(each.in_flight for each in self._of(client))

    def models(self, client: str | None = None) -> list[Model]:
        """The models that a client has asked for, or all, those with the most requests first."""
        return self._rows(each.models for each in self._of(client))

    def checks(self, client: str | None = None) -> list[Model]:
        """The models that were asked whether tool calls may run."""
        return self._rows(each.checks for each in self._of(client))

    def _of(self, client: str | None) -> list[_Traffic]:
        if client is None:
            return list(self._clients.values())
        return [self._clients[client]] if client in self._clients else []

    def _rows(self, tables: Iterable[OrderedDict[str, _ModelCount]]) -> list[Model]:
        counts: dict[str, list[_ModelCount]] = {}
        for table in tables:
            for name, row in table.items():
                counts.setdefault(name, []).append(row)
        if len(counts) > MAX_NAMES + (OTHERS in counts):
            ranked = sorted(counts.keys() - {OTHERS}, key=lambda name: -_requests(counts[name]))
            for name in ranked[MAX_NAMES:]:
                counts.setdefault(OTHERS, []).extend(counts.pop(name))
        now = self.clock()
        minutes = min(WINDOW, max(60.0, now - self.started)) / 60
        rows = [_model(name, same, now, minutes) for name, same in counts.items()]
        return sorted(rows, key=lambda row: (row.name == OTHERS, -row.requests, row.name))

    def targets(self) -> list[Target]:
        return [
            Target(
                name=name,
                attempts=row.attempts,
                failures=row.failures,
                last_error=row.last_error,
                last_error_at=row.last_error_at,
                answered_at=row.answered_at,
            )
            for name, row in sorted(self._targets.items())
        ]

    def target(self, name: str) -> _TargetCount:
        return _row(self._targets, _fit(name), _TargetCount)


def _requests(rows: Iterable[_ModelCount]) -> int:
    return sum(row.requests for row in rows)


def _model(name: str, rows: Sequence[_ModelCount], now: float, minutes: float) -> Model:
    """`rows` are those of all clients that have asked for it."""
    return Model(
        name=name,
        requests=_requests(rows),
        errors=sum(row.errors for row in rows),
        per_minute=sum(row.rate.count(now) for row in rows) / minutes,
        first_byte=times(itertools.chain.from_iterable(row.first_bytes for row in rows)),
        tokens_in=sum(row.tokens_in for row in rows),
        tokens_cached=sum(row.tokens_cached for row in rows),
        tokens_out=sum(row.tokens_out for row in rows),
    )


def times(samples: Iterable[float]) -> Times | None:
    ordered = sorted(samples)
    if not ordered:
        return None
    return Times(half=_at(ordered, 0.5), most=_at(ordered, 0.95), of=len(ordered))


def _at(ordered: Sequence[float], share: float) -> float:
    """The smallest sample such that at least this share of them is not above it."""
    return ordered[math.ceil(len(ordered) * share) - 1]


def _fit(name: str) -> str:
    """A name as it is shown."""
    # A lone surrogate could not be encoded.
    name = name.encode("utf-8", "replace").decode()
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _row[R: (_ModelCount, _TargetCount)](
    rows: OrderedDict[str, R], name: str, new: Callable[[], R]
) -> R:
    """The row of a name, which becomes the most recently used."""
    row = rows.get(name)
    if row is None:
        row = rows[name] = new()
        if len(rows) > MAX_NAMES + (OTHERS in rows):
            oldest = next(name for name in rows if name != OTHERS)
            dropped = rows.pop(oldest)
            others = rows.get(OTHERS)
            if others is None:
                others = rows[OTHERS] = new()
            others.take(dropped)
    rows.move_to_end(name)
    return row
