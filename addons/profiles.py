"""YAML text and environment variables -> a frozen Profile: which provider answers which model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import Literal
from typing import NamedTuple

import patterns


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
    api: Literal["anthropic", "openai"]
    auth: Literal["pool", "bearer", "x-api-key", "client", "none"]
    api_key: str | None = field(repr=False)
    """Set where auth is `bearer` or `x-api-key` and nothing is missing."""
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


class Target(NamedTuple):
    """One provider with the model name that it knows."""

    provider: Provider
    model: str

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model}"


@dataclass(frozen=True)
class Pool:
    """The Claude tokens that we rotate over, and how."""

    tokens: tuple[str, ...] = field(repr=False)
    mode: Literal["rotate", "passthrough"]
    strategy: Literal["session", "round-robin", "least-used"]
    cooldown: float
    """Seconds that a token rests where the provider names no time."""


@dataclass(frozen=True)
class Profile:
    name: str
    """The file's name without its suffix."""
    path: Path
    providers: Mapping[str, Provider] = field(hash=False)
    models: patterns.Table[Target] = field(hash=False)
    """Model name or pattern -> target, whose model may hold `*`."""
    fallbacks: patterns.Table[tuple[str, ...]] = field(hash=False)
    """Model name or pattern -> models to try next, named as in `models`, which may hold `*`."""
    pool: Pool
    intercept: tuple[str, ...]
    """Hosts whose TLS we open; lower case."""
    max_attempts: int
    open: bool
    """Listening beyond loopback without a password is intended."""
    warnings: tuple[str, ...]
    """For the log at start: what the user should know and may act on."""

    def target(self, model: str) -> Target | None:
        """The target that a client's model name stands for; it may be unusable (`missing`)."""
        raise NotImplementedError

    def fallback_targets(self, model: str) -> tuple[Target, ...]:
        """The usable targets to try after target(model), in order, each once."""
        raise NotImplementedError

    def listed_models(self) -> list[str]:
        """The model names of the file, in its order, for `GET /v1/models`.

        A pattern stands for no one name, so those with `*` are left out.
        """
        raise NotImplementedError


def parse(text: str, environ: Mapping[str, str], source: str) -> Profile:
    """The profile that a file's text describes, whose path is `source`.

    Raises:
        ValueError: `<source>: <key path>: expected <what>, got <repr>`, on one line.
    """
    raise NotImplementedError


def read(path: Path, environ: Mapping[str, str]) -> Profile:
    """The profile, or LiteLLM config, in a file.

    Raises:
        ValueError: as parse(), and when the file cannot be read.
    """
    raise NotImplementedError


def locate(name: str, folder: Path) -> Path:
    """The file of a profile given by its name in `folder` or by its path.

    Raises:
        ValueError: there is no such file.
    """
    raise NotImplementedError


def environment(directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` over the variables in the directory's `.env`, where there is one."""
    raise NotImplementedError
