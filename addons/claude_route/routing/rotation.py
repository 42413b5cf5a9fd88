"""The pool of Claude tokens: which one a request gets, which are resting, which are disabled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from types import MappingProxyType
from typing import Literal
from typing import NamedTuple

from claude_route import targets
from claude_route.dialects import error_body
from claude_route.routing import health
from claude_route.routing import quota
from claude_route.routing import rests
from claude_route.routing import room
from claude_route.text import quantities

MAX_SESSIONS = 10_000
"""How many sessions keep their token. A team opens some hundreds a day; a forgotten session loses
its prompt cache once. With MAX_SESSION_NAME this takes at most about 3 MB."""

MAX_SESSION_NAME = 64
"""Characters. Session ids are UUIDs of 36; two of one client that are equal up to here share a token."""


class Session(NamedTuple):
    """A session whose name is `alice/…` is alice's. What has no slash is nobody's in particular."""

    client: str
    name: str

    def __str__(self) -> str:
        return f"{self.client}/{self.name}" if self.client or "/" in self.name else self.name


def parsed(text: str) -> Session:
    client, slash, name = text.partition("/")
    return (
        Session(client, name[:MAX_SESSION_NAME]) if slash else Session("", text[:MAX_SESSION_NAME])
    )


def ending(secret: str) -> str:
    """What may be shown of a secret: its last four characters, or nothing if it is under 12
    characters."""
    return f"…{secret[-4:]}" if len(secret) >= 12 else ""


def kind(secret: str) -> targets.TokenKind:
    """The kind of a secret. Anthropic expects the two kinds in different headers."""
    return "oauth" if secret.startswith("sk-ant-oat") else "api"


@dataclass(frozen=True)
class Token:
    """A credential of the pool. Tokens with the same secret are equal, whatever their position."""

    place: int = field(compare=False)
    """From 1, as listed in the profile."""
    secret: str = field(repr=False)
    name: str = field(default="", compare=False, repr=False)
    """What the profile calls it; empty if it has no name there."""

    @property
    def kind(self) -> targets.TokenKind:
        return kind(self.secret)

    @property
    def tail(self) -> str:
        return ending(self.secret)

    @property
    def label(self) -> str:
        """What it is called in logs and on pages: `token 2 …wxyz`, or `token 2 alice …wxyz`."""
        return f"{self.title} {self.tail}".rstrip()

    @property
    def title(self) -> str:
        """The same without anything of the secret."""
        return f"token {self.place} {self.name}".rstrip()


class Row(NamedTuple):
    """A row of the table that people see: one token."""

    place: int
    label: str
    kind: targets.TokenKind
    state: Literal["available", "resting", "disabled"]
    left: float
    """Seconds that it will still rest; 0 if it isn't resting."""
    families: Mapping[str, float]
    """Seconds that it will still rest for some models only: `opus` -> 3600."""
    five_hour: float | None
    """Utilisation as a fraction; None if no answer has reported it."""
    seven_day: float | None
    sessions: int
    requests: int
    reason: str
    """Why it last rested or was disabled."""
    name: str = ""
    """What the profile calls it; empty if it has no name there."""


@dataclass
class _Memory:
    """What we have learnt about a token."""

    requests: int = 0
    disabled: str | None = None
    rests: rests.Rests = field(default_factory=rests.Rests)
    windows: dict[str, quota.Window] = field(default_factory=dict)
    reason: str = ""

    def rest(self, rest: quota.Rest, now: float, *, is_by_hand: bool = False) -> quota.Rest:
        """Rest it, but never shorten a rest. Returns the rest that now applies."""
        held, is_new = self.rests.add(rest, now, is_by_hand=is_by_hand)
        if is_new:
            self.reason = rest.reason
        return held

    def used(self, now: float) -> float:
        """Utilisation of the fuller window. Unknown counts as 0, so that the token gets used and we
        learn it."""
        return max((w.utilisation for w in self.windows.values() if w.reset > now), default=0.0)

    def utilisation(self, window: str, now: float) -> float | None:
        current = self.windows.get(window)
        if current is None:
            return None
        return current.utilisation if current.reset > now else 0.0


class Pool:
    """Chooses a token for each request, and learns from the answers.

    session      a new session gets the next token and keeps it while it is available, because
                 each account has its own prompt cache; if it has to move, it stays with the new one
    round-robin  every request gets the next token
    least-used   the token with the lowest known utilisation, the next one among equals

    Requests without a session take turns separately. Otherwise sessions that start between such
    requests would all get the same few tokens.
    """

    def __init__(
        self,
        tokens: Iterable[str] = (),
        *,
        strategy: targets.Strategy = "session",
        cooldown: float = 60.0,
        names: Mapping[str, str] = MappingProxyType({}),
        clock: Callable[[], float],
    ) -> None:
        """`clock` returns Unix seconds. `cooldown` is the rest in seconds after a 429 that gives no
        time. `names` has the names of tokens, by the token."""
        secrets: dict[str, int] = {}
        for place, secret in enumerate(tokens, 1):
            secrets.setdefault(secret, place)
        self.tokens = tuple(
            Token(place, secret, names.get(secret, "")) for secret, place in secrets.items()
        )
        self.strategy: targets.Strategy = strategy
        self.cooldown = cooldown
        self._clock = clock
        self._memory = {token: _Memory() for token in self.tokens}
        self._sessions = room.Room[Token](MAX_SESSIONS)
        self._turns = {"requests": 0, "sessions": 0}
        self._is_rehearsal = False
        self.listener = health.Listener()
        """Is called after each change that others are to know."""

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        states = ", ".join(f"{row.label}: {row.state}" for row in self.status())
        return f"Pool({self.strategy}: {states})"

    def pick(
        self, session: str | None = None, tried: Collection[Token] = (), model: str | None = None
    ) -> Token | None:
        """The available token to try next; None if all untried tokens are resting or disabled."""
        now = self._clock()
        available = [t for t in self.tokens if self._available(t, model, now)]
        free = [token for token in available if token not in tried]
        if not free:
            return None
        if self.strategy == "least-used":
            least = min(self._memory[token].used(now) for token in free)
            return self._next("requests", [t for t in free if self._memory[t].used(now) == least])
        if self.strategy == "round-robin" or not session:
            return self._next("requests", free)
        named = parsed(session)
        own = self._sessions.get(*named)
        if own in free:
            self._sessions.use(*named)
            return own
        token = self._next("sessions", free)
        # A token that failed only this request, perhaps because of a lost connection, keeps the
        # session.
        if own not in available:
            self.seat(session, token)
            self.listener.moved(str(named), own.secret if own else None, token.secret)
        return token

    def seat(self, session: str, token: Token) -> None:
        """Have a session use a token from now on."""
        self._sessions.put(*parsed(session), token)

    def seated(self, session: str, model: str | None = None) -> Token | None:
        """The token that a session has, if that is available for a model."""
        own = self._sessions.get(*parsed(session))
        return own if own and self._available(own, model, self._clock()) else None

    def available(self, model: str | None = None) -> list[Token]:
        """The tokens that may be used for a model now."""
        now = self._clock()
        return [token for token in self.tokens if self._available(token, model, now)]

    def probe(self, session: str | None = None, model: str | None = None) -> Token | None:
        """The token in a long rest that the next request is to try first, to see whether its limit has
        reset early; usually None. A session that has an available token stays with it."""
        now = self._clock()
        if self._is_rehearsal:
            return None
        own = self._sessions.get(*parsed(session)) if session else None
        if own and self._available(own, model, now):
            return None
        for token, memory in self._memory.items():
            if memory.disabled is None and memory.rests.probe(model, now):
                return token
        return None

    def own(self, token: Token, model: str | None = None) -> Token | None:
        """This pool's token with the same secret; None if it has none, or one that rests or is disabled."""
        now = self._clock()
        matches = (own for own in self.tokens if own == token)
        return next((own for own in matches if self._available(own, model, now)), None)

    def soonest(self, tried: Collection[Token] = (), model: str | None = None) -> Token | None:
        """The resting token that becomes available first, for use if nothing else is left to try."""
        now = self._clock()
        resting = [
            token
            for token, memory in self._memory.items()
            if token not in tried and memory.disabled is None and memory.rests.due(model) > now
        ]
        return min(resting, key=lambda token: self._memory[token].rests.due(model), default=None)

    def wait(self, model: str | None = None) -> float | None:
        """Seconds until a token is available, 0 if one is; None if all are disabled."""
        enabled = [m.rests.due(model) for m in self._memory.values() if m.disabled is None]
        return max(0.0, min(enabled) - self._clock()) if enabled else None

    def unavailable(self, tried: Collection[Token] = (), model: str | None = None) -> list[str]:
        """Why tokens that were not tried can't be used for a model now: `token 1 rests 29 s`."""
        now = self._clock()
        reasons = []
        for token, memory in self._memory.items():
            if token in tried:
                continue
            if memory.disabled is not None:
                reasons.append(f"{token.title} is disabled")
            elif (left := memory.rests.due(model) - now) > 0:
                reasons.append(f"{token.title} rests {quantities.duration(left)}")
        return reasons

    def learn(
        self,
        token: Token,
        status: int,
        headers: Mapping[str, str],
        fault: error_body.Fault = error_body.NONE,
        *,
        model: str | None = None,
        count_tokens: bool = False,
        is_fast: bool = False,
    ) -> list[quota.Effect]:
        """Learn from an answer. Call this for every answer, good or bad. Returns the effects on the
        token, for the log.

        A Rest is returned as it now applies, which may be longer than this answer's. A Disable is
        returned only the first time. A failed count_tokens request has no effects. The header names
        are in lower case, or the mapping ignores case. A token from before a reload is found by its
        secret; a token that is no longer in the pool is ignored.
        """
        memory = self._memory.get(token)
        if memory is None:
            return []
        now = self._clock()
        memory.requests += 1
        if windows := quota.windows(headers, now):
            memory.windows |= windows
            self.listener.used(token.secret, windows)
        if status < 400 or count_tokens:
            return []
        done: list[quota.Effect] = []
        for effect in quota.effects(
            status,
            headers,
            fault,
            now=now,
            cooldown=self.cooldown,
            model=model,
            is_fast=is_fast,
        ):
            if isinstance(effect, quota.Rest):
                rest = memory.rest(effect, now)
                done.append(rest)
                self.listener.rested(token.secret, health.Held(rest, now))
            elif memory.disabled is None:
                memory.disabled = memory.reason = effect.reason
                done.append(effect)
                self.listener.disabled(token.secret, effect.reason)
        return done

    def answered(self, token: Token, *, model: str, asked: float) -> bool:
        """Learn that a token has answered a request for a model that was sent at `asked`, in Unix
        seconds. If it was resting then, its limit has reset early, and the rest ends. Returns
        whether it did."""
        memory = self._memory.get(token)
        has_ended = memory is not None and memory.rests.answered(model, asked)
        if has_ended:
            self.listener.answered(token.secret, rests.families(model), asked)
        return has_ended

    def rest(self, place: int, seconds: float) -> Token:
        """For users: rest a token. Raises ValueError for an unknown position."""
        token = self._at(place)
        seconds, now = min(max(0.0, seconds), quota.LONGEST), self._clock()
        rest = quota.Rest(now + seconds, None, "by hand")
        held = self._memory[token].rest(rest, now, is_by_hand=True)
        self.listener.rested(token.secret, health.Held(held, now, is_by_hand=held == rest))
        return token

    def wake(self, place: int) -> Token:
        """For users: make a resting or disabled token available. Raises ValueError for an unknown
        position."""
        token = self._at(place)
        self._memory[token].rests.clear()
        self._memory[token].disabled = None
        self.listener.woken(token.secret)
        return token

    def report(self, token: Token) -> health.Health:
        """What others may take over of what is known about a token."""
        memory = self._memory[token]
        return health.Health(
            memory.rests.held(self._clock()), memory.disabled, dict(memory.windows)
        )

    def adopt(self, token: Token, theirs: health.Health) -> None:
        """Replace what is known about a token by what others know. The listener isn't called. What is only
        known here about the use of its windows stays."""
        memory, now = self._memory[token], self._clock()
        before = memory.rests.held(now)
        memory.rests.adopt(theirs.rests, now)
        for held in theirs.rests:
            if held not in before:
                memory.reason = held.rest.reason
        memory.disabled = theirs.disabled
        memory.reason = theirs.disabled or memory.reason
        memory.windows |= theirs.windows

    def reloaded(
        self,
        tokens: Iterable[str],
        *,
        strategy: targets.Strategy,
        cooldown: float,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> Pool:
        """The pool for a changed profile. Tokens that are in both keep their state, except that
        disabled ones, and those in a long rest, get another chance.

        Both pools share that state from then on, so that nothing is lost that requests in progress
        learn."""
        pool = Pool(tokens, strategy=strategy, cooldown=cooldown, names=names, clock=self._clock)
        pool.listener = self.listener
        own = {token: token for token in pool.tokens}
        for token in pool.tokens:
            if memory := self._memory.get(token):
                if memory.disabled is not None:
                    memory.disabled = None
                    self.listener.enabled(token.secret)
                memory.rests.probe_soon()
                pool._memory[token] = memory
        for client, name, token in self._sessions.items():
            if token in own:
                pool._sessions.put(client, name, own[token])
        pool._turns = dict(self._turns)
        return pool

    def rehearsal(self) -> Pool:
        """A copy that picks as this pool would, without advancing its turns."""
        pool = Pool((), strategy=self.strategy, cooldown=self.cooldown, clock=self._clock)
        pool.tokens = self.tokens
        pool._memory = self._memory
        pool._sessions = self._sessions.copy()
        pool._turns = dict(self._turns)
        pool._is_rehearsal = True
        return pool

    def status(self) -> list[Row]:
        now = self._clock()
        sessions = Counter(self._sessions.values())
        return [self._row(token, sessions[token], now) for token in self.tokens]

    def _row(self, token: Token, sessions: int, now: float) -> Row:
        memory = self._memory[token]
        left = memory.rests.left(now)
        whole = left.pop(None, 0.0)
        return Row(
            place=token.place,
            label=token.label,
            kind=token.kind,
            state="disabled" if memory.disabled else "resting" if whole else "available",
            left=whole,
            families={name: seconds for name, seconds in left.items() if name},
            five_hour=memory.utilisation("5h", now),
            seven_day=memory.utilisation("7d", now),
            sessions=sessions,
            requests=memory.requests,
            reason=memory.reason,
            name=token.name,
        )

    def _available(self, token: Token, model: str | None, now: float) -> bool:
        memory = self._memory[token]
        return memory.disabled is None and memory.rests.due(model) <= now

    def _next(self, turn: str, free: Collection[Token]) -> Token:
        """The first free token after the one that this turn gave last."""
        count = len(self.tokens)
        start = self._turns[turn] % count
        place = next(
            i % count for i in range(start, start + count) if self.tokens[i % count] in free
        )
        self._turns[turn] = place + 1
        return self.tokens[place]

    def _at(self, place: int) -> Token:
        for token in self.tokens:
            if token.place == place:
                return token
        places = ", ".join(str(token.place) for token in self.tokens) or "none, the pool is empty"
        raise ValueError(f"place: expected one of {places}, got {place}")
