"""Makes streamed answers visible while they stream, and keeps them afterwards.

mitmproxy itself passes a streamed answer on and keeps none of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

from claude_route.watch import rows

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two updates of a streaming answer."""

SHARE = 0.005
"""The share of a processor that all updates together may take; beyond it they become less frequent.
mitmweb hashes both bodies at each update, and sending it to browsers costs twice that."""

LIMIT = 32 * 1024 * 1024
"""Bytes kept of an answer. The longest answers take a few megabytes as events."""

SUMMARY_LIMIT = 512 * 1024
"""Bytes where nothing but a summary of the answer is kept once it has ended: some 4,000 tokens as events. What
comes after them is not in the summary."""

SUMMARIES = 64 * 1024 * 1024
"""Bytes of all such answers together that are streaming now."""


class Timer(Protocol):
    def cancel(self) -> None: ...


type Later = Callable[[float, Callable[[], None]], Timer]


class Pace:
    """How often streaming answers are updated."""

    def __init__(self, later: Later, clock: Callable[[], float]) -> None:
        self.later = later
        self.clock = clock
        self.taps: weakref.WeakSet[Tap] = weakref.WeakSet()
        """The taps of the answers that are streaming now."""

    def wait(self, call: Callable[[], None], took: float) -> Timer:
        """Schedule an answer's next update; the last one took `took` seconds."""
        return self.later(max(INTERVAL, took * len(self.taps) / SHARE), call)


class Room:
    """What all answers together may still take in memory."""

    def __init__(self, free: int) -> None:
        """`free`: bytes."""
        self.free = free

    def take(self, size: int) -> bool:
        if size > self.free:
            return False
        self.free -= size
        return True


class Tap:
    """Replaces `flow.response.stream`: passes the data on unchanged, and records it."""

    def __init__(
        self,
        flow: http.HTTPFlow,
        row_writer: rows.Rows,
        *,
        limit: int,
        pace: Pace | None,
        room: Room | None = None,
    ) -> None:
        """`limit`: how many bytes are kept; `room`: those of all such answers, None if they don't count. `pace`
        is None if there is no view to update."""
        self.flow = flow
        self.rows = row_writer
        self._limit = limit
        self._room = room
        self._content: bytearray | None = bytearray() if limit else None
        self._pace = pace
        self._timer: Timer | None = None
        self._took = 0.0
        if pace:
            pace.taps.add(self)

    def __call__(self, data: bytes) -> bytes | list[bytes]:
        if not data:
            # Also for an empty frame in mid-answer: over HTTP/1, b"" would end the response.
            return []
        try:
            self._take(data)
        except Exception:
            # mitmproxy would lose these bytes.
            logger.exception("Internal error while recording an answer")
        return data

    def _take(self, data: bytes) -> None:
        if self._content is not None and len(self._content) < self._limit:
            if self._room is None or self._room.take(len(data)):
                self._content += data
            else:
                self._limit = 0  # Later pieces would make no sense without this one.
        if self._pace and self._timer is None:
            self._timer = self._pace.wait(self._update, self._took)

    def _update(self) -> None:
        assert self._pace
        began = self._pace.clock()
        self._timer = None
        self.store()
        self.rows.grown(self.flow)
        show(self.flow)
        self._took = self._pace.clock() - began

    def store(self) -> None:
        """Put what has come so far into the flow."""
        if self._content is not None and self.flow.response:
            self.flow.response.raw_content = bytes(self._content)

    def finish(self) -> None:
        """The answer has ended."""
        if self._timer:
            self._timer.cancel()
        self.store()
        if self._room and self._content is not None:
            self._room.free += len(self._content)
        if self._pace:
            self._pace.taps.discard(self)
        self._content = self._pace = self._timer = None
        if self.flow.response:
            # The flow and the tap would keep each other in memory.
            self.flow.response.stream = True


class Capture:
    """Taps the answers to routed requests."""

    def __init__(
        self,
        row_writer: rows.Rows,
        later: Later | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wanted: Callable[[], int] = lambda: 0,
    ) -> None:
        """`wanted`: how many bytes of an answer are worth keeping until it has ended, where nothing shows or
        saves it afterwards."""
        self._wanted = wanted
        self.rows = row_writer
        self.pace = Pace(later or _later, clock)
        self._room = Room(SUMMARIES)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if not (flow.response and flow.response.stream is True):
            return
        limit, room = (LIMIT, None) if is_kept() else (self._wanted(), self._room)
        if limit and self.rows.is_answering(flow):
            pace = self.pace if has_view() or keeps_bodies() else None
            flow.response.stream = Tap(flow, self.rows, limit=limit, pace=pace, room=room)

    def response(self, flow: http.HTTPFlow) -> None:
        finish(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        finish(flow)


def finish(flow: http.HTTPFlow) -> None:
    tap = flow.response and flow.response.stream
    if isinstance(tap, Tap):
        tap.finish()


def grow(flow: http.HTTPFlow) -> None:
    """Put what has come of a streaming answer into its flow. Any thread may call it."""
    tap = flow.response and flow.response.stream
    if isinstance(tap, Tap):
        tap.store()


def show(flow: http.HTTPFlow) -> None:
    """Announce that a flow has changed, as an update hook does, in half the time: of some fifty
    addons, nearly none has that hook."""
    for addon in addonmanager.traverse(ctx.master.addons.chain):
        if update := getattr(addon, "update", None):
            with addonmanager.safecall():
                update([flow])


def has_view() -> bool:
    """Whether this is mitmweb or mitmproxy's console, which keep flows for people to see."""
    return ctx.master.addons.get("view") is not None


def keeps_bodies() -> bool:
    """Whether the page /sessions at the reverse listener shows whole answers, also while they grow."""
    return "keep_bodies" in ctx.options and ctx.options.keep_bodies > 0


def is_kept() -> bool:
    """Whether anything shows or saves answers. If not, don't spend memory on them."""
    options = ctx.options
    return (
        has_view()
        or keeps_bodies()
        or bool(options.save_stream_file or options.hardump)
        or ("flow_detail" in options and options.flow_detail >= 3)
    )


def _later(seconds: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, call)
