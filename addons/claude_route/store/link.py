"""The connection to Redis or Valkey, which nobody waits for longer than PATIENCE.

Commands go out in the order in which they come, all that have come meanwhile at once: so there is one round
trip for many requests, and a command sees what those before it did.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import importlib
import logging
import re
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from claude_route.store import resp
from claude_route.text import urls

logger = logging.getLogger(__name__)

PATIENCE = 0.025
"""Seconds until an answer is overdue. A request waits for twice as long at most: its command may have to wait for
the answers to those before it."""

TURNS = 5
"""How often the event loop looks for an answer that is overdue: the loop may be late, rather than Redis."""

TIMEOUT = 2.0
"""Seconds without an answer, after which the connection is given up."""

PAUSES = (0.05, 0.1, 0.2, 0.5)
"""Seconds until the next attempt to connect; the last one holds from then on."""

OUTAGE = re.compile(r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|OOM|READONLY)\b")
"""Errors that are about the server rather than about a command: https://redis.io/docs/latest/develop/reference/protocol-spec/"""

MOST = 20_000
"""Commands that wait for Redis to be back, some 10 MB; the oldest are given up first."""


class _Entry(NamedTuple):
    command: resp.Command
    answer: asyncio.Future[Any] | None
    """None for a command that waits until Redis is back."""
    is_urgent: bool = False
    """A request waits for it."""


class Link:
    """Runs from `start` to `stop`."""

    def __init__(
        self, url: str, greet: Callable[[Link], Awaitable[None]], opened: Callable[[], None]
    ) -> None:
        """`greet` is awaited on each new connection, before any other command goes out; then `opened` is
        called."""
        self.url = url
        self.is_up = False
        self.is_slow = False
        """An answer is overdue: nobody waits for one until there is one."""
        self._greet = greet
        self._opened = opened
        self._entries: collections.deque[_Entry] = collections.deque()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.Handle
        self._connection: Any = None
        self._was_reported = False
        self._has_refused = False
        self._library: Any = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self, patience: float) -> None:
        """Deliver what waits, for at most so many seconds, and close the connection."""
        if self.is_up:
            # What came before it has been answered then, too.
            await asyncio.wait([_watched(self.ask("PING"))], timeout=patience)
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def waiting(self) -> int:
        """Commands that Redis hasn't answered."""
        return len(self._entries)

    def deliver(self, *command: resp.Argument) -> None:
        """Have a command carried out, now or when Redis is back. It may be carried out twice, where the
        connection is lost before its answer."""
        self._put(_Entry(command, None))

    def ask(self, *command: resp.Argument) -> asyncio.Future[Any]:
        """A command's answer.

        Raises:
            ConnectionError: Redis is gone. The command may have been carried out.
            ValueError: it refuses the command.
        """
        return self._ask(command)

    async def reply(self, *command: resp.Argument) -> Any:
        """The same, for a request: within twice PATIENCE.

        Raises:
            ConnectionError: there is no answer; the command may still be carried out.
        """
        if self.is_slow:
            raise ConnectionError("Redis is slow")
        return await self._ask(command, is_urgent=True)

    async def now(self, *commands: resp.Command) -> list[Any]:
        """The answers to commands that go out at once; for `greet`.

        Raises:
            ConnectionError: Redis is gone.
        """
        answers: list[Any] = await self._exchange(commands)
        return answers

    def _ask(self, command: resp.Command, *, is_urgent: bool = False) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.is_up:
            self._put(_Entry(command, answer, is_urgent))
        else:
            answer.set_exception(ConnectionError("Redis is gone"))
        return answer

    def _put(self, entry: _Entry) -> None:
        self._entries.append(entry)
        if len(self._entries) > MOST:
            oldest = self._entries.popleft()
            if oldest.answer and not oldest.answer.done():
                oldest.answer.set_exception(ConnectionError("Redis is too slow"))
                oldest.answer.exception()
        self._news.set()

    async def _run(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    await self._connect()
                    failures = 0
                    await self._serve()
                except self._errors() as e:
                    self._lost(e)
                await self._disconnect()
                await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
        finally:
            self.is_up = False
            await self._disconnect()

    def _errors(self) -> tuple[type[Exception], ...]:
        if self._library is None:
            # It can't be imported while too many files are open: later it can.
            return (OSError, ImportError)
        return (OSError, self._library.RedisError)

    async def _connect(self) -> None:
        if self._library is None:
            # In a thread, because it takes half a second.
            self._library = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
        library = self._library
        given = library.connection.parse_url(self.url)
        kind = given.pop("connection_class", library.Connection)
        self._connection = kind(
            **{
                **given,
                "protocol": 2,
                "socket_timeout": None,
                "socket_connect_timeout": TIMEOUT,
            }
        )
        async with asyncio.timeout(TIMEOUT):
            await self._connection.connect()
            await self._greet(self)
        self.is_up = True
        self.is_slow = False
        self._opened()
        self._news.set()
        if self._was_reported:
            self._was_reported = False
            logger.info(f"Store {urls.shown(self.url)} is back")

    async def _serve(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._entries:
                batch = list(self._entries)
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(PATIENCE, self._overdue, TURNS)
                try:
                    answers = await self._exchange([entry.command for entry in batch])
                finally:
                    self._timer.cancel()
                self.is_slow = False
                for entry, answer in zip(batch, answers, strict=True):
                    # `_put` may have given up the oldest meanwhile.
                    if self._entries and self._entries[0] is entry:
                        self._entries.popleft()
                    self._answered(entry, answer)

    def _overdue(self, turns: int) -> None:
        if turns:
            self._timer = asyncio.get_running_loop().call_soon(self._overdue, turns - 1)
            return
        self.is_slow = True
        for entry in self._entries:
            if entry.is_urgent and entry.answer and not entry.answer.done():
                entry.answer.set_exception(ConnectionError("Redis is slow"))

    async def _exchange(self, commands: Sequence[resp.Command]) -> list[Any]:
        connection = self._connection
        answers: list[Any] = []
        try:
            async with asyncio.timeout(TIMEOUT):
                await connection.send_packed_command(resp.packed(commands), check_health=False)
                for _ in commands:
                    try:
                        answers.append(await connection.read_response())
                    except self._library.ResponseError as e:
                        # The library has classes of its own for most of them.
                        if type(e) is not self._library.ResponseError or OUTAGE.search(str(e)):
                            raise
                        answers.append(e)
        except self._errors() as e:
            raise ConnectionError(str(e) or type(e).__name__) from e
        return answers

    def _answered(self, entry: _Entry, answer: Any) -> None:
        if isinstance(answer, Exception) and not self._has_refused:
            self._has_refused = True
            logger.error(f"Store {urls.shown(self.url)} refuses a command: {answer}")
        if entry.answer is None or entry.answer.done():
            return
        if isinstance(answer, Exception):
            entry.answer.set_exception(ValueError(str(answer)))
        else:
            entry.answer.set_result(answer)

    def _lost(self, error: Exception) -> None:
        self.is_up = False
        entries, self._entries = self._entries, collections.deque()
        for entry in entries:
            if entry.answer is None:
                self._entries.append(entry)
            elif not entry.answer.done():
                entry.answer.set_exception(ConnectionError("Redis is gone"))
        if not self._was_reported:
            self._was_reported = True
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            logger.warning(
                f"Store {urls.shown(self.url)} is gone: {why}; this instance goes on with what it knows"
            )

    async def _disconnect(self) -> None:
        if self._connection:
            with contextlib.suppress(Exception):
                await self._connection.disconnect(nowait=True)
            self._connection = None


def _watched(answer: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """An answer of which nobody has to see that it failed."""
    answer.add_done_callback(forget)
    return answer


def forget(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more."""
    if not answer.cancelled():
        answer.exception()
