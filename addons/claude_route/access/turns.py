"""Whose bytes are read next, where clients send more than the event loop can take at once.

One after the other would be as if each connection were a client: one that floods a hundred of them would leave all
others a hundredth of the loop. So clients take turns, whichever has had least of the loop first, as in fair queueing
and in Linux' CFS. Nobody is refused, and nobody waits where there is time for all.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable

TURN = 0.002
"""Seconds of one pass of the event loop in which clients are read from without waiting."""

IN_ONE_PASS = 2
"""How many of those that wait are read from in one pass: a request takes about a millisecond there."""

BETWEEN = 8
"""Passes between two of them where there are several clients: a request takes about as many until it is sent on. With
more under way at once, each pass would last longer for all, whoever is read from first."""

LONGEST_BETWEEN = 0.01
"""Seconds of the loop's work after which the next comes all the same: where it has much to do for streams, a hundred
requests still come in each second of it."""

MEMORY = 60.0
"""Seconds for which a client counts as being there: most send a request now and then."""

PIECE = 64 * 1024
"""Bytes that cost as much as a read."""

REST = 3.0
"""Where there are several clients, the next large body of one waits this many times as long as the last took to read
beside the event loop: that takes the interpreter from all others, and the loop has as much to do with it again."""

LONGEST_REST = 2.0
"""Seconds."""

type Turn = asyncio.Future[None]


class Share:
    """What one client has had of the event loop."""

    def __init__(self) -> None:
        self.used = 0.0
        """In reads. Only the difference between two shares means something."""
        self.rests_until = 0.0
        self.waiting: collections.deque[Turn] = collections.deque()


class Queue:
    """Those that wait. Nobody waits forever, however many new clients come: they begin with what somebody who
    always waits has used by now, and that grows with each turn that anybody gets."""

    def __init__(self) -> None:
        self._shares: dict[Share, None] = {}
        self._usual = 0.0
        """What somebody who always waits has used."""

    def __bool__(self) -> bool:
        return bool(self._shares)

    def join(self, share: Share, turn: Turn) -> None:
        if not share.waiting:
            # A client can't save up turns for later.
            share.used = max(share.used, self._usual)
            self._shares[share] = None
        share.waiting.append(turn)

    def leave(self, share: Share, turn: Turn) -> None:
        """Whoever wanted this turn is gone."""
        if turn in share.waiting:
            share.waiting.remove(turn)
            if not share.waiting:
                del self._shares[share]

    def next(self) -> Turn:
        share = min(self._shares, key=lambda each: each.used)
        self._usual = max(self._usual, share.used)
        turn = share.waiting.popleft()
        if not share.waiting:
            del self._shares[share]
        return turn

    def charge(self, share: Share, size: int) -> None:
        """So many bytes were read from a client."""
        cost = 1 + size / PIECE
        share.used += cost
        self._usual += cost / (len(self._shares) + 1)


class Turns:
    """Keeps what clients send from holding up the streams to others, and a client from holding up others: what
    they have sent at once is passed on over several passes of the event loop.

    `now` is always in seconds of a clock that never goes back.
    """

    def __init__(self, spent: Callable[[], float] = time.thread_time) -> None:
        """`spent` gives seconds of the loop's work."""
        self._spent = spent
        self._queue = Queue()
        self._named: dict[str, Share] = {}
        """By the names of the profile's clients."""
        self._began: float | None = None
        """When this pass of the loop came to the first client."""
        self._is_passing = False
        """Whether `_pass` is to come."""
        self._left = 0
        """Passes until the next turn."""
        self._given = 0.0
        """When the last was given, as `spent` says."""
        self._last: Share | None = None
        """Of the request that came last."""
        self._changed = -MEMORY
        """When it was another's than the one before."""
        self._now = 0.0

    def share(self, name: str) -> Share:
        """That of a client with a name of its own."""
        return self._named.setdefault(name, Share())

    def sees(self, share: Share, now: float) -> None:
        """A client has sent a request."""
        if share is not self._last:
            if self._last is not None:
                self._changed = now
            self._last = share

    def charge(self, share: Share, size: int) -> None:
        self._queue.charge(share, size)

    def is_crowded(self, now: float) -> bool:
        """Whether there are several clients."""
        return now - self._changed < MEMORY

    def worked(self, share: Share, seconds: float, now: float) -> None:
        """So much was done for a client beside the event loop."""
        if self.is_crowded(now):
            rest = max(share.rests_until, now) + REST * seconds
            share.rests_until = min(rest, now + LONGEST_REST)

    def is_free(self, now: float) -> bool:
        """Whether there is time in this pass."""
        self._now = now
        if self._began is None:
            self._began = now
            self._pass_soon()
        return not self._queue and now - self._began < TURN

    async def wait(self, share: Share) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._queue.join(share, turn)
        self._pass_soon()
        try:
            await turn
        except asyncio.CancelledError:
            self._queue.leave(share, turn)
            raise

    def _pass_soon(self) -> None:
        # One at a time: two would give twice as many turns.
        if not self._is_passing:
            self._is_passing = True
            asyncio.get_running_loop().call_soon(self._pass)

    def _pass(self) -> None:
        self._is_passing, self._began = False, None
        if not self._queue:
            self._left = 0
            return
        self._pass_soon()
        if self._left and self._spent() - self._given < LONGEST_BETWEEN:
            self._left -= 1
            return
        is_crowded = self.is_crowded(self._now)
        if is_crowded:
            self._left, self._given = BETWEEN, self._spent()
        for _ in range(1 if is_crowded else IN_ONE_PASS):
            if self._queue and not (turn := self._queue.next()).done():
                turn.set_result(None)
