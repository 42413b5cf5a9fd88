"""Where a request can go: a provider, and a target, which is a model of a provider.

`profile` reads them from a file, and dialects write requests for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import NamedTuple
from typing import Protocol

type Auth = Literal["pool", "bearer", "x-api-key", "client", "none"]
"""As in a profile."""

type Credential = Literal["pool", "client", "provider", "none"]
"""Whose credential goes to a provider: a token of the pool, the client's own, or the provider's key."""

type TokenKind = Literal["oauth", "api"]
"""The kinds of Claude tokens. Anthropic expects them in different headers."""

type TokenMode = Literal["rotate", "passthrough"]
"""Whether a request gets a token of the pool, or keeps the client's own credential."""

type Strategy = Literal["session", "round-robin", "least-used"]
type Spread = Literal["session", "agent"]
"""How the pool chooses a token."""


_MARK = "[1m]"

BARE_CALLS = "calls without thinking"
"""What a provider refuses that needs `reasoning: required` in a profile."""

PREFIX = "claude-route/"
"""What may precede a model's name. Claude Code's list of models keeps only names that contain `claude` or
`anthropic`, so `GET /v1/models` lists `glm` as `claude-route/glm` too."""


def unprefixed(model: str) -> str:
    """A model's name as the profile has it: `glm` for `claude-route/glm`."""
    return model.removeprefix(PREFIX)


def bare(model: str) -> str:
    """A model's name without Claude Code's mark for a context of a million tokens: `glm` for `glm[1m]`.

    No API has the mark in its names. Claude Code takes it off itself in most requests, and asks
    Anthropic for the context with a beta header.
    """
    end = len(model)
    while end > len(_MARK) and model[end - len(_MARK) : end].lower() == _MARK:
        end -= len(_MARK)
    return model[:end]


@dataclass(frozen=True)
class Thinking:
    """What to do with thinking blocks in requests to a provider and in its answers."""

    requests: Literal["own", "all", "none"]
    """In requests, `own` drops all but the provider's own, `all` drops all, and `none` drops none."""
    responses: Literal["tag", "strip", "keep"]


type Capability = Literal["images", "documents", "effort", "structured_outputs"]
"""What a model may lack, as in a profile's `supports`."""


class Abilities(NamedTuple):
    """What the profile knows of a model beforehand."""

    context: int | None = None
    """The most tokens of a conversation; None if unknown."""
    lacks: tuple[Capability, ...] = ()


UNKNOWN = Abilities()


class AbilityTable(Protocol):
    def find(self, name: str) -> tuple[Abilities, tuple[str, ...]] | None:
        """Those of a model, and what the stars of its pattern match; None if nothing is known."""


@dataclass(frozen=True)
class Provider:
    """An API that we can call."""

    name: str
    base_url: str
    """Without a trailing slash; `/v1/messages` or `/chat/completions` comes after it."""
    scheme: str
    host: str
    """Lower case, an IPv6 address without its brackets."""
    port: int
    path: str
    """The path of base_url without a trailing slash: `` or `/api/anthropic`."""
    api: str
    """The name of its dialect."""
    auth: Auth
    api_key: str | None = field(repr=False)
    """Sent if auth is `bearer` or `x-api-key`; None if there is none."""
    missing: tuple[str, ...]
    """The unset environment variables that it refers to. It can't be used until they are set."""
    thinking: Thinking
    reasoning: Literal["required", "tags"] | None
    """`required` sends an empty reasoning_content, or thinking block, with tool calls that have none.
    `tags`: answers begin with their reasoning, in `<think>` tags."""
    headers: Mapping[str, str] = field(repr=False, hash=False)
    """Sent with each request; names in lower case."""
    drop: tuple[str, ...]
    set: Mapping[str, Any] = field(hash=False)
    count_tokens: Literal["forward", "estimate"]
    connect_timeout: float
    first_byte_timeout: float
    idle_timeout: float
    total_timeout: float | None = None
    abilities: Abilities = UNKNOWN
    """Of its models, unless `models` has others."""
    models: AbilityTable | None = field(default=None, hash=False)
    """What is known of some of them, by the provider's name for a model, or a pattern."""

    @property
    def is_anthropic(self) -> bool:
        """Whether this is Anthropic itself, wherever base_url points."""
        return self.name == "anthropic"

    def credential(self, *, rotates: bool) -> Credential:
        """The credential that a request takes along. `rotates`: it may get a token of the pool."""
        match self.auth:
            case "pool":
                return "pool" if rotates else "client"
            case "client" | "none":
                return self.auth
            case "bearer" | "x-api-key":
                return "provider"

    @property
    def unset(self) -> str:
        """A message about what is missing: `ZAI_API_KEY is not set`."""
        return f"{' and '.join(self.missing)} {'is' if len(self.missing) == 1 else 'are'} not set"


class Target(NamedTuple):
    """A provider and the provider's name for a model."""

    provider: Provider
    model: str

    @property
    def abilities(self) -> Abilities:
        entry = self.provider.models.find(self.model) if self.provider.models else None
        return entry[0] if entry else self.provider.abilities

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model}"

    def without(self, names: Collection[str]) -> Target:
        """The target with more left out of its requests, named as in `drop`, or BARE_CALLS, or such as
        `max_tokens=8192` for a limit that is lower than what was asked for."""
        if not names:
            return self
        dropped = tuple(name for name in names if name != BARE_CALLS and "=" not in name)
        provider = dataclasses.replace(self.provider, drop=(*self.provider.drop, *dropped))
        if BARE_CALLS in names and provider.reasoning is None:
            provider = dataclasses.replace(provider, reasoning="required")
        for key, _, limit in (name.partition("=") for name in names):
            if limit:
                most = min(int(limit), provider.set.get(key, int(limit)))
                provider = dataclasses.replace(provider, set={**provider.set, key: most})
        return Target(provider, self.model)
