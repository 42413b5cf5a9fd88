"""The models that local servers serve: they list them at an endpoint of their own.

A pattern such as `ollama/*` names none. Servers elsewhere aren't asked: some list hundreds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from claude_route import background
from claude_route import targets
from claude_route.wire import rawjson

LIFETIME = 30.0
"""Seconds for which a list is believed: local servers load and lose models as their owner likes."""

MAX_MODELS = 100
"""Of a server. Nobody finds anything in a longer list."""

LOCAL_SUFFIXES = (".local", ".internal", ".localhost", ".lan")

type Ask = Callable[[targets.Provider], Awaitable[bytes]]
"""Returns the body of a provider's list of models; raises OSError or ValueError if there is none."""


class Served:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns monotonic seconds."""
        self._clock = clock
        self._models: dict[str, tuple[str, ...]] = {}
        """By the provider's base URL."""
        self._asked: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def models(self, provider: targets.Provider) -> tuple[str, ...]:
        """As the provider listed them last; empty if it never has."""
        return self._models.get(provider.base_url, ())

    async def refresh(
        self, providers: Sequence[targets.Provider], ask: Ask, *, patience: float
    ) -> None:
        """Ask those whose lists are old, and wait for their answers for at most `patience` seconds.
        What comes later counts the next time."""
        waiting = [task for provider in providers if (task := self._task(provider, ask))]
        if waiting:
            await asyncio.wait(waiting, timeout=patience)

    def _task(self, provider: targets.Provider, ask: Ask) -> asyncio.Task[None] | None:
        url = provider.base_url
        if task := self._asking.get(url):
            return task
        if self._clock() - self._asked.get(url, -LIFETIME) < LIFETIME:
            return None
        self._asked[url] = self._clock()
        task = self._asking[url] = background.start(
            self._ask(provider, ask), "the question which models a provider has"
        )
        task.add_done_callback(lambda _: self._asking.pop(url, None))
        return task

    async def _ask(self, provider: targets.Provider, ask: Ask) -> None:
        try:
            models = listed(await ask(provider))
        except (OSError, ValueError):
            models = ()  # it is down, and would answer no request either
        self._models[provider.base_url] = models

    def close(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()


def listed(body: bytes) -> tuple[str, ...]:
    """The ids in a list of models, which is the same in Anthropic's form and in OpenAI's.

    Raises:
        ValueError: it is not such a list.
    """
    found = rawjson.decode(body, dict[str, Any])
    data = found.get("data")
    if not isinstance(data, list):
        raise ValueError("data: expected a list of models")
    ids = (each.get("id") for each in data if isinstance(each, dict))
    named = (name for name in ids if isinstance(name, str) and name and name.isprintable())
    return tuple(dict.fromkeys(named))[:MAX_MODELS]


def is_local(host: str) -> bool:
    """Whether a provider's host is this machine or one of its network."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(LOCAL_SUFFIXES)
