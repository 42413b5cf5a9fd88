"""Makes the summaries of requests that have ended, one after the other and in the order in which they ended: a moment
later, some together, or once somebody looks.

Most take less than a millisecond, as of a conversation only the end is new; others are made in a thread, so that no
stream waits. To go there and back takes longer than to make a short one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from claude_route import background
from claude_route.access import live_secrets
from claude_route.proxy import work
from claude_route.sessions import blocks
from claude_route.sessions import book
from claude_route.sessions import summaries
from claude_route.sessions import turns
from claude_route.watch import ended_flows

logger = logging.getLogger(__name__)

MAX_WAITING = 64 * 1024 * 1024
"""Bytes of bodies that wait for their summary. Beyond it, a turn is recorded without its blocks."""

STRETCH, REST = 0.001, 0.001
"""Seconds after which streams go first, and for how long."""

DELAY = 0.05
"""Seconds after which flows that have ended are summed up, if nobody looks before."""

MAX_READ, MAX_SECONDS = 256 * 1024, 0.005
"""Bytes that are read at once on the event loop, and about how much of the processor's time one summary may take
there: where other processes take it, the thread would have as little."""


class TooLongError(Exception):
    """A summary takes too long to be made on the event loop."""


class Hurry:
    """Ends the work on a summary that would hold up streams."""

    def __init__(self) -> None:
        self._until = time.thread_time() + MAX_SECONDS

    def __call__(self, size: int) -> None:
        if size > MAX_READ or time.thread_time() > self._until:
            raise TooLongError


class Pace:
    """Lets others run, in the thread: of the interpreter, whoever works in Python has five milliseconds before
    others get it, and each byte of a stream would come later by as much."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self, size: int) -> None:
        if time.perf_counter() - self._since > STRETCH:
            time.sleep(REST)
            self._since = time.perf_counter()


class SummingUp:
    def __init__(
        self,
        sessions: book.Book,
        store: Callable[[turns.Turn], None] = lambda turn: None,
        is_stored: Callable[[], bool] = lambda: False,
    ) -> None:
        """`sessions` gets each turn. So does `store`, in the thread if `is_stored`: it writes to a disk."""
        self.book = sessions
        self._store = store
        self._is_stored = is_stored
        self._waiting: deque[ended_flows.Ended] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._is_beside = False
        """Whether a summary is being made in the thread."""
        self._long: ended_flows.Ended | None = None
        """What was too long to be made on the event loop."""
        sessions.before_reading = self._catch_up

    def add(self, ended: ended_flows.Ended) -> None:
        """Have its summary made; at once, where no event loop runs."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._record(ended)
            return
        if self._bytes + ended.size > MAX_WAITING:
            ended = ended._replace(wire=replace(ended.wire, request=b"", answer=b""))
        self._bytes += ended.size
        self._waiting.append(ended)
        if self._task is None:
            self._task = background.start(self._drain(), "the recording of turns")

    def done(self) -> None:
        """Make those that wait: nothing is added any more."""
        if self._task:
            self._task.cancel()
        while self._waiting:
            self._record(self._waiting.popleft())

    async def _drain(self) -> None:
        try:
            if not self._is_stored():
                await asyncio.sleep(DELAY)
            since = time.perf_counter()
            while self._waiting:
                if not self._made_here():
                    await self._make_beside()
                if time.perf_counter() - since > STRETCH:
                    await asyncio.sleep(REST)
                    since = time.perf_counter()
        finally:
            self._task = None

    def _catch_up(self) -> None:
        """Make the short ones that wait: somebody looks."""
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            while self._waiting and not self._is_beside and self._made_here():
                pass

    def _made_here(self) -> bool:
        """Make the next one. False if it may take long."""
        ended = self._waiting[0]
        # What is stored is written to a disk.
        if not ended.is_plain or self._is_stored() or ended is self._long:
            return False
        try:
            self.book.add(self._make(ended, Hurry()))
        except TooLongError:
            self._long = ended
            return False
        except Exception:
            self._failed(ended)
        self._waiting.popleft()
        self._bytes -= ended.size
        return True

    async def _make_beside(self) -> None:
        """Make the next one in the thread."""
        ended = self._waiting.popleft()
        self._is_beside = True
        try:
            making = work.behind(lambda: self._make(ended, Pace()))
            self.book.add(await asyncio.wrap_future(making))
        except Exception:
            self._failed(ended)
        finally:
            self._is_beside, self._long = False, None
            self._bytes -= ended.size

    def _failed(self, ended: ended_flows.Ended) -> None:
        # The next summaries must not wait for ever because of one body.
        logger.exception("Internal error while summing up a request")
        self.book.over(ended.wire.session, ended.wire.flow)

    def _record(self, ended: ended_flows.Ended) -> None:
        self.book.add(self._make(ended))

    def _make(
        self, ended: ended_flows.Ended, between: blocks.Between = blocks.nothing
    ) -> turns.Turn:
        session = ended.wire.session
        known, calls = self.book.known(session)
        past = self.book.past(session)
        turn = summaries.make(
            ended_flows.decoded(ended), known, calls, live_secrets.hide, past, between
        )
        self._store(turn)
        return turn
