"""Bounds what the peer of an HTTP/2 connection can make mitmproxy do.

Replaces: the name `BufferedH2Connection` in `mitmproxy.proxy.layers.http._http2`.
Why: hyper-h2 parses every frame, and before 4.4.1 copies all that is left of a read for each: a megabyte
of frames without a payload holds everybody up for seconds, before any key is shown. mitmproxy logs each
frame of an unknown kind. A peer may also make hyper-h2's header table and frames as large as it likes.
Remove when: mitmproxy or hyper-h2 limits frames.
Upstream: docs/upstream/http2-floods.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol

import h2.config
import h2.errors
import h2.events
import h2.exceptions
from mitmproxy.proxy.layers.http import _http2
from mitmproxy.proxy.layers.http import _http_h2

SLICE = 16 * 1024
"""Bytes that hyper-h2 gets at once: before 4.4.1 it copies all that it has for each frame."""

MAX_TABLE = 4096
"""Bytes of the table of header fields that were sent. A peer may offer 4 GB; each field that is sent
is searched for in it."""

MAX_FRAME = 64 * 1024
"""Bytes of a frame that is sent. Where a peer makes room byte by byte, the rest of one is copied each
time."""


MAX_REASON = 1000
"""Bytes of the words with which a connection ends. mitmproxy quotes there what it couldn't read, and hyper-h2 raises
an AssertionError for more than a frame takes."""


class Frames(Protocol):
    """The limit for what one peer sends."""

    def feed(self, data: bytes) -> str:
        """Returns what is wrong with these bytes, "" if nothing is."""

    def expanded(self) -> None:
        """Header fields came that are far longer than they were on their way."""

    def earn(self, size: int, *, is_end: bool) -> None:
        """So many bytes of a body went to the peer, or a message's end."""


type MakeFrames = Callable[[bool], Frames]
"""Whether the peer is a client -> its limit."""


class FloodError(h2.exceptions.ProtocolError):
    error_code = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


def install(make: MakeFrames) -> Callable[[], None]:
    """For every HTTP/2 connection from now on; the callable undoes it."""
    stock = _http2.BufferedH2Connection

    class LimitedH2Connection(Limited):
        make_frames = staticmethod(make)

    def uninstall() -> None:
        _http2.BufferedH2Connection = stock  # type: ignore[misc]

    _http2.BufferedH2Connection = LimitedH2Connection  # type: ignore[misc]
    return uninstall


class Limited(_http_h2.BufferedH2Connection):
    make_frames: MakeFrames

    def __init__(self, config: h2.config.H2Configuration) -> None:
        super().__init__(config)
        self.frames = self.make_frames(not config.client_side)
        self._is_flooded = False

    def receive_data(self, data: bytes) -> list[Any]:
        events: list[Any] = []
        for start in range(0, len(data), SLICE):
            piece = data[start : start + SLICE]
            if why := self.frames.feed(piece):
                self._is_flooded = True
                raise FloodError(why)
            try:
                received = super().receive_data(piece)
            except h2.exceptions.DenialOfServiceError:
                self._is_flooded = True
                self.frames.expanded()
                raise
            for event in received:
                if isinstance(event, h2.events.RemoteSettingsChanged):
                    self._bound()
                elif isinstance(event, h2.events.UnknownFrameReceived):
                    continue  # to be ignored (RFC 9113, section 5.5)
                events.append(event)
        return events

    def _bound(self) -> None:
        if self.encoder.header_table_size > MAX_TABLE:
            self.encoder.header_table_size = MAX_TABLE
        self.max_outbound_frame_size = min(self.max_outbound_frame_size, MAX_FRAME)

    def send_data(
        self,
        stream_id: int,
        data: Any,
        end_stream: bool = False,
        pad_length: Any = None,
    ) -> None:
        if len(data) > self.max_outbound_frame_size:
            # It sends the pieces by this method, and forgets the end.
            super().send_data(stream_id, data, False, pad_length)
            if end_stream:
                self.end_stream(stream_id)
            return
        self.frames.earn(len(data), is_end=end_stream)
        super().send_data(stream_id, data, end_stream, pad_length)

    def close_connection(
        self,
        error_code: h2.errors.ErrorCodes | int = h2.errors.ErrorCodes.NO_ERROR,
        additional_data: bytes | None = None,
        last_stream_id: int | None = None,
    ) -> None:
        # mitmproxy gives every error the same code.
        if self._is_flooded:
            error_code = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
        reason = additional_data and additional_data[:MAX_REASON]
        super().close_connection(error_code, reason, last_stream_id)
