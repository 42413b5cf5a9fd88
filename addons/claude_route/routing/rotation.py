"""The pool of Claude tokens: which one a request gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from claude_route import targets
from claude_route.dialects import error_body
from claude_route.routing import health
from claude_route.routing import pool_tokens
from claude_route.routing import quota
from claude_route.routing import rests
from claude_route.routing import room

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


Token = pool_tokens.Token
"""The name that scripts of users know it by."""


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
        places: dict[str, int] = {}
        for place, secret in enumerate(tokens, 1):
            places.setdefault(secret, place)
        self.tokens = tuple(
            pool_tokens.Token(place, secret, names.get(secret, ""))
            for secret, place in places.items()
        )
        self.strategy: targets.Strategy = strategy
        self.cooldown = cooldown
        self._clock = clock
        self._memory = {token: pool_tokens.Memory() for token in self.tokens}
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
            if memory.probe(model, now):
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
        resting = {
            token: due
            for token, memory in self._memory.items()
            if token not in tried and (due := memory.due(model)) is not None and due > now
        }
        return min(resting, key=resting.__getitem__, default=None)

    def wait(self, model: str | None = None) -> float | None:
        """Seconds until a token is available, 0 if one is; None if all are disabled."""
        due = [memory.due(model) for memory in self._memory.values()]
        enabled = [at for at in due if at is not None]
        return max(0.0, min(enabled) - self._clock()) if enabled else None

    def unavailable(self, tried: Collection[Token] = (), model: str | None = None) -> list[str]:
        """Why tokens that were not tried can't be used for a model now: `token 1 rests 29 s`."""
        now = self._clock()
        untried = ((token, memory) for token, memory in self._memory.items() if token not in tried)
        return [
            f"{token.title} {why}"
            for token, memory in untried
            if (why := memory.unavailable(model, now))
        ]

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
            elif memory.disable(effect.reason):
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
        self._memory[token].wake()
        self.listener.woken(token.secret)
        return token

    def report(self, token: Token) -> health.Health:
        """What others may take over of what is known about a token."""
        return self._memory[token].report(self._clock())

    def adopt(self, token: Token, theirs: health.Health) -> None:
        """Replace what is known about a token by what others know. The listener isn't called."""
        self._memory[token].adopt(theirs, self._clock())

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
                if memory.enable():
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

    def status(self) -> list[pool_tokens.Row]:
        now = self._clock()
        sessions = Counter(self._sessions.values())
        return [self._memory[token].row(token, sessions[token], now) for token in self.tokens]

    def _available(self, token: Token, model: str | None, now: float) -> bool:
        return self._memory[token].is_available(model, now)

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
