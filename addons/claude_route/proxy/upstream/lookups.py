"""Look-ups of names, each in a thread of its own: one that hangs delays no other.

asyncio has a thread for each processor and four more, for all that blocks. A name server that is silent
holds one for 5 to 30 s, and whoever can make us look up a name chooses the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import socket
import threading
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

type Ask = Callable[..., Sequence[Any]]
"""As socket.getaddrinfo(). Blocks."""

MOST = 256
"""Look-ups at a time. Each holds a thread, which costs some 50 KB."""
MOST_FOR_ONE = 32
"""Those among them that one client address makes us do."""
SECONDS = 15.0
"""For which anybody waits: three times what the system's resolver gives a server before it asks the
next."""


def system(*key: Any) -> Sequence[Any]:
    return socket.getaddrinfo(*key)


def in_thread[T](function: Callable[..., T], *arguments: Any, **named: Any) -> asyncio.Future[T]:
    """What a function returns, or raises, that blocks. Unlike those of an executor, its thread doesn't
    keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = function(*arguments, **named)
        except BaseException as e:
            error = e
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="look-up", daemon=True).start()
    return future


class Lookups:
    """In the place of an event loop's `getaddrinfo`."""

    def __init__(
        self,
        *,
        source: Callable[[], str | None] = lambda: None,
        refused: Callable[[], None] = lambda: None,
        ask: Ask = system,
        most: int = MOST,
        most_for_one: Callable[[], int] = lambda: MOST_FOR_ONE,
        seconds: float = SECONDS,
    ) -> None:
        """`source` is the address of the client that the running task works for; None if it works for
        none. `refused` is called where there are too many look-ups."""
        self._source = source
        self._refused = refused
        self._ask = ask
        self._most = most
        self._most_for_one = most_for_one
        self._seconds = seconds
        self._pending: dict[tuple[Any, ...], asyncio.Future[Sequence[Any]]] = {}
        self._sources: dict[tuple[Any, ...], str | None] = {}

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Sequence[Any]:
        """Raises OSError."""
        key = host, port, family, type, proto, flags
        if host is None or is_address(host):
            return self._ask(*key)
        pending = self._pending.get(key)
        if pending is None:
            source = self._source()
            if self._is_too_much(source):
                self._refused()
                raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
            pending = in_thread(self._ask, *key)
            self._pending[key], self._sources[key] = pending, source
            pending.add_done_callback(functools.partial(self._answered, key))
        try:
            async with asyncio.timeout(self._seconds):
                # Others may wait for the same, and a thread can't be stopped anyway.
                return await asyncio.shield(pending)
        except TimeoutError as e:
            raise socket.gaierror(socket.EAI_AGAIN, "no name server answers") from e

    def _is_too_much(self, source: str | None) -> bool:
        if len(self._pending) >= self._most:
            return True
        return source is not None and (
            sum(each == source for each in self._sources.values()) >= self._most_for_one()
        )

    def _answered(self, key: tuple[Any, ...], pending: asyncio.Future[Sequence[Any]]) -> None:
        del self._pending[key], self._sources[key]
        if not pending.cancelled():
            pending.exception()  # whoever asked may have gone


def is_address(host: Any) -> bool:
    """Whether a host needs no name server. The number of an IPv6 address's zone is the system's to
    find, without one."""
    text = host.decode("latin-1") if isinstance(host, bytes) else str(host)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
