"""Whom a request can go to: a provider, and a target, which is a model there.

`profile` reads them from a file; dialects write requests for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import NamedTuple

type Auth = Literal["pool", "bearer", "x-api-key", "client", "none"]


@dataclass(frozen=True)
class Thinking:
    """What happens to thinking blocks on their way to a provider and back."""

    requests: Literal["own", "all", "none"]
    """Dropped from requests: all but the provider's own, all, or none."""
    responses: Literal["tag", "strip", "keep"]


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
    """Sent where auth is `bearer` or `x-api-key`; None where it is missing."""
    missing: tuple[str, ...]
    """The unset environment variables that it names: it cannot be used until they are set."""
    thinking: Thinking
    reasoning: Literal["required"] | None
    """Chat Completions: `required` sends an empty reasoning_content where there is none."""
    headers: Mapping[str, str] = field(repr=False, hash=False)
    """Sent with each request; names in lower case."""
    drop: tuple[str, ...]
    set: Mapping[str, Any] = field(hash=False)
    count_tokens: Literal["forward", "estimate"]
    connect_timeout: float
    first_byte_timeout: float
    idle_timeout: float

    @property
    def is_anthropic(self) -> bool:
        """Whether this is Anthropic itself, wherever base_url points."""
        return self.name == "anthropic"

    @property
    def unset(self) -> str:
        """`ZAI_API_KEY is not set`, in words, where something is missing."""
        return f"{' and '.join(self.missing)} {'is' if len(self.missing) == 1 else 'are'} not set"


class Target(NamedTuple):
    """One provider with the model name that it knows."""

    provider: Provider
    model: str

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model}"
