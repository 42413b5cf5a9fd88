"""The tokens of the pool, and what is known about each: whether it rests, is disabled, how far it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Literal
from typing import NamedTuple

from claude_route import targets
from claude_route.routing import health
from claude_route.routing import quota
from claude_route.routing import rests
from claude_route.text import quantities


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
class Memory:
    """What we have learnt about a token. All times are Unix seconds."""

    requests: int = 0
    disabled: str | None = None
    """Why it is; None if it isn't."""
    rests: rests.Rests = field(default_factory=rests.Rests)
    windows: dict[str, quota.Window] = field(default_factory=dict)
    reason: str = ""
    """Why it last rested or was disabled."""

    def is_available(self, model: str | None, now: float) -> bool:
        return self.disabled is None and self.rests.due(model) <= now

    def probe(self, model: str | None, now: float) -> bool:
        """Whether the next request for a model is to try it in a long rest. If so, not again soon."""
        return self.disabled is None and self.rests.probe(model, now)

    def due(self, model: str | None) -> float | None:
        """When it may be used for a model; None if it is disabled."""
        return self.rests.due(model) if self.disabled is None else None

    def unavailable(self, model: str | None, now: float) -> str:
        """Why it can't be used for a model now, phrased to follow its name; empty if it can."""
        if self.disabled is not None:
            return "is disabled"
        left = self.rests.due(model) - now
        return f"rests {quantities.duration(left)}" if left > 0 else ""

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

    def disable(self, reason: str) -> bool:
        """Returns whether it wasn't disabled before."""
        if self.disabled is not None:
            return False
        self.disabled = self.reason = reason
        return True

    def enable(self) -> bool:
        """Returns whether it was disabled."""
        was_disabled, self.disabled = self.disabled is not None, None
        return was_disabled

    def wake(self) -> None:
        """It neither rests nor is disabled any more."""
        self.rests.clear()
        self.disabled = None

    def report(self, now: float) -> health.Health:
        """What others may take over."""
        return health.Health(self.rests.held(now), self.disabled, dict(self.windows))

    def adopt(self, theirs: health.Health, now: float) -> None:
        """Replace what is known by what others know. What is only known here about the use of its windows
        stays."""
        before = self.rests.held(now)
        self.rests.adopt(theirs.rests, now)
        for held in theirs.rests:
            if held not in before:
                self.reason = held.rest.reason
        self.disabled = theirs.disabled
        self.reason = theirs.disabled or self.reason
        self.windows |= theirs.windows

    def row(self, token: Token, sessions: int, now: float) -> Row:
        """The token's row, given how many sessions have it."""
        left = self.rests.left(now)
        whole = left.pop(None, 0.0)
        return Row(
            place=token.place,
            label=token.label,
            kind=token.kind,
            state="disabled" if self.disabled is not None else "resting" if whole else "available",
            left=whole,
            families={name: seconds for name, seconds in left.items() if name},
            five_hour=self.utilisation("5h", now),
            seven_day=self.utilisation("7d", now),
            sessions=sessions,
            requests=self.requests,
            reason=self.reason,
            name=token.name,
        )
