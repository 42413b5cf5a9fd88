"""Names to addresses, off the event loop, and remembered for a while."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from claude_route.proxy.upstream import lookups
from claude_route.proxy.upstream import timers

type AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""As socket.getaddrinfo() gives it."""

LIFETIME = 60.0
"""Seconds for which an answer counts. The system's resolver does not say for how long it may; a
minute is what load balancers of providers ask for at the least."""

MOST = 64
"""Look-ups at a time: those of the profile's providers and of proxies, each only once."""

MAX_NAMES = 256


def lookup(host: str, port: int) -> Sequence[AddressInfo]:
    """What the system says. Blocks."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Resolver:
    def __init__(
        self,
        clock: timers.Timers,
        *,
        ask: Callable[[str, int], Sequence[AddressInfo]] = lookup,
        lifetime: float = LIFETIME,
    ) -> None:
        """`ask` runs in a thread."""
        self._clock = clock
        self._ask = ask
        self._lifetime = lifetime
        self._answers: dict[tuple[str, int], tuple[float, Sequence[AddressInfo]]] = {}
        self._pending: dict[tuple[str, int], asyncio.Future[Sequence[AddressInfo]]] = {}

    async def resolve(self, host: str, port: int) -> Sequence[AddressInfo]:
        """Raises OSError. Failures are not remembered."""
        if address := numeric(host, port):
            return [address]
        key = host, port
        until, answer = self._answers.get(key, (0.0, ()))
        if answer and self._clock.time() < until:
            return answer
        pending = self._pending.get(key)
        if pending is None:
            if len(self._pending) >= MOST:
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
            pending = lookups.in_thread(self._ask, host, port)
            self._pending[key] = pending
            pending.add_done_callback(functools.partial(self._answered, key))
        # Others may wait for the same, and a thread can't be stopped anyway.
        return await asyncio.shield(pending)

    def forget(self, host: str, port: int) -> None:
        """Called where none of a host's addresses could be reached."""
        self._answers.pop((host, port), None)

    def _answered(
        self, key: tuple[str, int], pending: asyncio.Future[Sequence[AddressInfo]]
    ) -> None:
        del self._pending[key]
        if pending.cancelled() or pending.exception() or not pending.result():
            return
        self._answers[key] = self._clock.time() + self._lifetime, pending.result()
        if len(self._answers) > MAX_NAMES:
            del self._answers[next(iter(self._answers))]


def numeric(host: str, port: int) -> AddressInfo | None:
    """A host that is an address needs no resolver."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    if "%" in host:
        return None  # the zone's number is the system's to find
    if version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
