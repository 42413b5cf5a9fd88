"""The connection to Redis or Valkey, which nobody waits for longer than PATIENCE.

Commands go out in the order in which they come, without waiting for the answers to others, and a command sees
what those before it did. One whose answer somebody wants goes out at once; others go together, at the end of
the event loop's turn.
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
from collections.abc import Collection
from typing import Any

from claude_route import background
from claude_route.store import pipe
from claude_route.store import resp
from claude_route.text import urls

logger = logging.getLogger(__name__)

PATIENCE = 0.045
"""Seconds until an answer is overdue: then no request waits for one."""

TURNS = 5
"""How often the event loop looks for an answer that is overdue: the loop may be late, rather than Redis."""

TIMEOUT = 2.0
"""Seconds without an answer, after which the connection is given up."""

PAUSES = (0.05, 0.1, 0.2, 0.5)
"""Seconds until the next attempt to connect; the last one holds from then on."""

OUTAGE = re.compile(
    r"\b(ASK|BUSY|CLUSTERDOWN|CROSSSLOT|LOADING|MASTERDOWN|MISCONF|MOVED|NOAUTH|NOPERM|OOM|READONLY|TRYAGAIN)\b"
)
"""Errors that are about the server rather than about a command: https://redis.io/docs/latest/develop/reference/protocol-spec/"""

MOST = 20_000
"""Commands that wait for Redis to be back, some 10 MB; the oldest are given up first."""


class _Entry:
    """A command."""

    __slots__ = ("answer", "command", "late", "sent")

    def __init__(
        self,
        command: resp.Command,
        answer: asyncio.Future[Any] | None,
        late: Callable[[Any], None] | None = None,
    ) -> None:
        self.command = command
        self.answer = answer
        """None for a command that waits until Redis is back."""
        self.late = late
        """Gets the answer that a request has waited for, and no longer does because its client has left. None:
        no request waits."""
        self.sent = 0.0
        """When it went out, by the event loop's clock."""


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
        self._waiting: collections.deque[_Entry] = collections.deque()
        """What hasn't gone out."""
        self._sent: collections.deque[_Entry] = collections.deque()
        """What has no answer."""
        self._is_due = False
        """What waits goes out at the end of this turn of the event loop."""
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._connection: Any = None
        self._pipe: pipe.Pipe
        self._was_reported = False
        self._has_refused = False
        self._library: Any = None

    def start(self) -> None:
        self._task = background.start(self._run(), "the connection to Redis")

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
        return len(self._waiting) + len(self._sent)

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

    def reply(
        self, *command: resp.Argument, late: Callable[[Any], None] = lambda answer: None
    ) -> asyncio.Future[Any]:
        """The same, for a request: within PATIENCE. `late` gets the answer if it is waited for no longer,
        because the request was cancelled.

        Raises:
            ConnectionError: there is no answer; the command may still be carried out.
        """
        if self.is_slow:
            raise ConnectionError("Redis is slow")
        return self._ask(command, late)

    async def now(self, *commands: resp.Command) -> list[Any]:
        """The answers to commands that go out at once; for `greet`.

        Raises:
            ConnectionError: Redis is gone, or refuses one of them.
        """
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Any]] = [loop.create_future() for _ in commands]
        self._send([_Entry(*each) for each in zip(commands, answers, strict=True)])
        asked: asyncio.Future[list[Any]] = asyncio.gather(*answers)
        either: list[asyncio.Future[Any]] = [asked, self._pipe.lost]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
            self._pipe.lost.result()
        try:
            return asked.result()
        except ValueError as e:
            raise ConnectionError(str(e)) from e

    def _ask(
        self, command: resp.Command, late: Callable[[Any], None] | None = None
    ) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.is_up:
            self._put(_Entry(command, answer, late))
        else:
            answer.set_exception(ConnectionError("Redis is gone"))
        return answer

    def _put(self, entry: _Entry) -> None:
        self._waiting.append(entry)
        if not self.is_up:
            self._limit()
        elif entry.answer:
            self._flush()
        elif not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _limit(self) -> None:
        while len(self._waiting) > MOST:
            self._waiting.popleft()

    def _flush(self) -> None:
        self._is_due = False
        if self.is_up and self._waiting:
            entries, self._waiting = self._waiting, collections.deque()
            self._send(entries)

    def _send(self, entries: Collection[_Entry]) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for entry in entries:
            entry.sent = now
        self._sent.extend(entries)
        self._pipe.send([entry.command for entry in entries])
        if self._timer is None:
            self._timer = loop.call_at(now + PATIENCE, self._look)

    async def _run(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    await self._connect()
                    failures = 0
                    await self._pipe.lost
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
            # All that the library is needed for is done: TLS, the password, the number of the database. It has no
            # public way to the transport, and its own waits for a drain with each command. All that its range in
            # pyproject.toml allows keep it in `_writer`; the alternative is to do those three ourselves.
            self._pipe = pipe.Pipe(self._connection._writer.transport, self._received)
            await self._greet(self)
        self.is_up = True
        self.is_slow = False
        self._opened()
        self._flush()
        if self._was_reported:
            self._was_reported = False
            logger.info(f"Store {urls.shown(self.url)} is back")

    def _look(self, oldest: _Entry | None = None, turns: int = TURNS) -> None:
        """Whether an answer is overdue. `oldest` has been so for some turns of the event loop."""
        self._timer = None
        if not self._sent:
            return
        loop = asyncio.get_running_loop()
        first = self._sent[0]
        due = first.sent + (TIMEOUT if self.is_slow else PATIENCE)
        if loop.time() < due:
            self._timer = loop.call_at(due, self._look)
        elif first is not oldest:
            self._timer = loop.call_soon(self._look, first)
        elif turns:
            self._timer = loop.call_soon(self._look, first, turns - 1)
        elif self.is_slow:
            self._pipe.lose(f"no answer within {TIMEOUT:g} s")
        else:
            self.is_slow = True
            for entry in self._sent:
                if entry.late and entry.answer and not entry.answer.done():
                    entry.answer.set_exception(ConnectionError("Redis is slow"))
            self._timer = loop.call_at(first.sent + TIMEOUT, self._look)

    def _received(self, answer: resp.Answer) -> None:
        if not self._sent:
            raise ConnectionError("expected no answer, got one")
        if isinstance(answer, resp.Refusal) and OUTAGE.search(answer.text):
            raise ConnectionError(answer.text)
        self.is_slow = False
        self._answered(self._sent.popleft(), answer)

    def _answered(self, entry: _Entry, answer: resp.Answer) -> None:
        if isinstance(answer, resp.Refusal) and not self._has_refused:
            self._has_refused = True
            logger.error(f"Store {urls.shown(self.url)} refuses a command: {answer.text}")
        if entry.answer is None:
            return
        if entry.answer.done():
            if entry.late and entry.answer.cancelled() and not isinstance(answer, resp.Refusal):
                entry.late(answer)
        elif isinstance(answer, resp.Refusal):
            entry.answer.set_exception(ValueError(answer.text))
        else:
            entry.answer.set_result(answer)

    def _lost(self, error: Exception) -> None:
        self.is_up = False
        if self._timer:
            self._timer.cancel()
            self._timer = None
        entries = [*self._sent, *self._waiting]
        self._sent.clear()
        self._waiting.clear()
        for entry in entries:
            if entry.answer is None:
                self._waiting.append(entry)
            elif not entry.answer.done():
                entry.answer.set_exception(ConnectionError("Redis is gone"))
        self._limit()
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
