"""The thread that writes the ledger, so that no request waits for a disk or a server.

Records wait in memory until it has written them: less than a second as a rule, longer while the database is gone,
and no more than MOST of them.
"""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Protocol

from claude_route.ledger import location
from claude_route.proxy import records
from claude_route.text import quantities

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two batches: with the time that one takes, a crash loses no more than the last second."""

RETRIES = (1.0, 2.0, 5.0, 10.0)
"""Seconds until a failed batch is tried again; the last one holds from then on."""

MOST = 50_000
"""Records that wait while the database is gone, some 50 MB; the oldest are given up first."""

BATCH = 1000
"""Records in one transaction. It bounds how long the thread keeps Python from doing anything else."""

PRUNING = 3600.0
"""Seconds between two deletions of what is too old."""

DAY = 86400.0


class Store(Protocol):
    """`database.Database`, which this module doesn't import: that takes 20 MB and half a second."""

    def write(self, batch: Sequence[records.Record]) -> list[records.Record]: ...
    def prune(self, before: float) -> int: ...
    def close(self) -> None: ...


class Writer:
    def __init__(
        self,
        open_store: Callable[[], Store],
        is_unavailable: Callable[[Exception], bool],
        name: str,
        days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`open_store` makes the store, and `is_unavailable` says whether the same may work later, after an error;
        both are called in the thread. `name` is the database's, for the log."""
        self.name = name
        self.days = days
        self.lost = 0
        """Records that were given up."""
        self._open_store = open_store
        self._is_unavailable = is_unavailable
        self._clock = clock
        self._waiting: collections.deque[records.Record] = collections.deque()
        self._wake = threading.Event()
        """There is something to write."""
        self._hurry = threading.Event()
        """Somebody waits for it."""
        self._idle = threading.Condition()
        self._written = 0
        """How often all was written, or couldn't be."""
        self._is_stopping = False
        self._failures = 0
        self._pruned = 0.0
        self._store: Store | None = None
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def put(self, record: records.Record) -> None:
        """Have a record written. Never waits."""
        self._waiting.append(record)
        if len(self._waiting) > MOST:
            try:
                self._waiting.popleft()
                self.lost += 1
            except IndexError:  # the thread was faster
                pass
        if not self._wake.is_set():
            self._wake.set()

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._waiting)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was put before is written. False if it isn't, within so many seconds."""
        with self._idle:
            if not self._waiting:
                return True
            before = self._written
            self._hurry.set()
            self._wake.set()
            # The batch under way may have begun before the last record came: two at most.
            self._idle.wait_for(lambda: not self._waiting or self._written >= before + 2, timeout)
        return not self._waiting

    def stop(self, timeout: float) -> None:
        """Write what is left, for at most so many seconds."""
        self._is_stopping = True
        self._hurry.set()
        self._wake.set()
        self._thread.join(timeout)
        if left := len(self._waiting):
            what = quantities.counted(left, "request")
            logger.error(
                f"Ledger {self.name}: {what} could not be written, and {'is' if left == 1 else 'are'} lost"
            )

    def _run(self) -> None:
        # Now, rather than with the first request: an address that is wrong is told at the start, and nothing has
        # to be loaded when the process may have no file left for it.
        self._write()
        while not self._is_stopping:
            self._wake.wait()
            pause = RETRIES[min(self._failures, len(RETRIES)) - 1] if self._failures else INTERVAL
            self._hurry.wait(pause)
            self._hurry.clear()
            self._wake.clear()
            self._write()
            if self._waiting:
                self._wake.set()
            with self._idle:
                self._written += 1
                self._idle.notify_all()
        if self._waiting:  # it came between the last batch and the end
            self._write()
        if self._store:
            self._store.close()

    def _write(self) -> None:
        try:
            if self._store is None:
                self._store = self._open_store()
            while self._waiting:
                batch = self._first()
                refused = self._store.write(batch)
                self._done(batch)
                if refused:
                    logger.error(f"Ledger {self.name}: takes no record such as {refused[0]}")
            self._prune(self._store)
        except Exception as e:
            self._failed(e)
        else:
            self._recovered()

    def _first(self) -> list[records.Record]:
        # By place, as `put` may take out the first meanwhile; one that is missed thereby waits for the next batch.
        return [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]

    def _done(self, batch: Sequence[records.Record]) -> None:
        """Take out what is written. Records that `put` gave up meanwhile are no longer there."""
        written = {record.id for record in batch}
        while self._waiting and self._waiting[0].id in written:
            self._waiting.popleft()

    def _prune(self, store: Store) -> None:
        now = self._clock()
        if now - self._pruned > PRUNING:
            self._pruned = now
            store.prune(now - self.days * DAY)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._failures > 1:
            return
        if self._is_unavailable(error):
            logger.warning(
                f"Ledger {self.name} can't be written: {location.reason(error)}; requests are answered all "
                "the same, and written once it is back"
            )
        else:
            logger.error(f"Ledger {self.name}: internal error", exc_info=error)

    def _recovered(self) -> None:
        if self._failures:
            lost = f" without {quantities.counted(self.lost, 'request')}" if self.lost else ""
            logger.info(f"Ledger {self.name} is written again{lost}")
        self._failures = 0
        self.lost = 0
