"""Bounds what mitmweb keeps for a viewer that doesn't read.

Replaces: `open` and `send` of `WebSocketEventBroadcaster`.
Why: mitmweb pushes each change of each flow to all who look on. What one of them doesn't read, whose laptop
sleeps for example, is kept for it without a limit, some 100 KB for a request.
Remove when: mitmproxy drops what a viewer doesn't read.
Upstream: docs/upstream/slow-viewers.md
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from mitmproxy.tools.web import app
from mitmproxy.utils import asyncio_utils

MOST = 4 * 1024 * 1024
"""Bytes that wait for one viewer."""

_FLOWS, _EVENTS = b'{"type": "flows/', b'{"type": "events/'
RESETS = tuple(json.dumps({"type": name}).encode() for name in ("flows/reset", "events/reset"))
"""After these, mitmweb's page asks for all flows and events."""


class Waiting(asyncio.Queue[bytes]):
    """The messages for a viewer, and how long they are."""

    _queue: deque[bytes]

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def _put(self, item: bytes) -> None:
        self.size += len(item)
        super()._put(item)

    def _get(self) -> bytes:
        item = super()._get()
        self.size -= len(item)
        return item

    def reset(self) -> None:
        """Drop what can be asked for again."""
        kept = [item for item in self._queue if not item.startswith((_FLOWS, _EVENTS))]
        self._queue.clear()
        self.size = 0
        for item in (*kept, *RESETS):
            self.put_nowait(item)


def install() -> Callable[[], None]:
    """For every viewer from now on; the callable undoes it."""
    every = app.WebSocketEventBroadcaster
    stock_open, stock_send = every.open, every.send

    @functools.wraps(every.open)
    def open_bounded(self: app.WebSocketEventBroadcaster, *args: Any, **kwargs: Any) -> None:
        self.connections.add(self)
        # Before the task, which begins at once in mitmweb (`asyncio.eager_task_factory`).
        self._send_queue = Waiting()
        self._send_task = asyncio_utils.create_task(
            self.send_task(),
            name="WebSocket send task",
            keep_ref=False,
        )

    @functools.wraps(every.send)
    def send(self: app.WebSocketEventBroadcaster, message: bytes) -> None:
        waiting = self._send_queue
        if isinstance(waiting, Waiting) and waiting.size + len(message) > MOST:
            waiting.reset()
            if waiting.size > MOST:
                self.close()
                return
            if message.startswith((_FLOWS, _EVENTS)):
                return
        stock_send(self, message)

    def undo() -> None:
        every.open, every.send = stock_open, stock_send  # type: ignore[method-assign]

    every.open, every.send = open_bounded, send  # type: ignore[method-assign]
    return undo
