"""What others may make this proxy do, and keep, without an end: frames, look-ups, bytes that nobody
reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import ctx

from claude_route import options
from claude_route import responses
from claude_route.access import addresses
from claude_route.access import limits
from claude_route.patches import dialing
from claude_route.patches import http1_messages
from claude_route.patches import http2_limits
from claude_route.patches import slow_readers
from claude_route.proxy.upstream import lookups
from claude_route.wire import http2_frames

logger = logging.getLogger(__name__)

FRAMES, SEND_TIMEOUT, LOOKUPS = "http2_frames", "send_timeout", "lookups_per_client"
"""Options."""

LINES = {
    FRAMES: "Closed an HTTP/2 connection that sent too many frames without content (option http2_frames)",
    "http2_headers": "Closed an HTTP/2 connection whose headers have no end",
    SEND_TIMEOUT: "Closed a connection whose peer had stopped reading (option send_timeout)",
    LOOKUPS: "Refused to look up a name: too many wait for an answer (option lookups_per_client)",
}
"""The name of a limit -> what the log says when it is met."""


class Endurance:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.patience = Patience(self)
        self._restore: Callable[[], None] = lambda: None

    def install(self) -> Callable[[], None]:
        """For every connection from now on; the callable undoes it. `patches.addon` does both, since patches
        of the same code have to be undone in their order."""
        undo = [
            http2_limits.install(lambda is_client: Frames(self, from_client=is_client)),
            http1_messages.install(lambda why: responses.error(400, why)),
            slow_readers.install(self.patience),
        ]

        def uninstall() -> None:
            while undo:
                undo.pop()()

        return uninstall

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "http2_frames",
            int,
            http2_frames.BURST,
            "HTTP/2 frames without content that a peer may send at once; a tenth of it each second after "
            "that.",
        )
        loader.add_option(
            "send_timeout",
            int,
            300,
            "Seconds after which a connection is closed whose peer reads nothing of what waits for it.",
        )
        loader.add_option(
            "lookups_per_client",
            int,
            lookups.MOST_FOR_ONE,
            "Names that are looked up at a time for the clients at one address of another machine.",
        )

    def configure(self, updated: set[str]) -> None:
        for name in {FRAMES, SEND_TIMEOUT, LOOKUPS} & updated:
            if getattr(ctx.options, name) < 1:
                options.refuse(f"{name}: expected a number above 0")

    def running(self) -> None:
        # Here the loop is the one that all connections are made in.
        loop: Any = asyncio.get_running_loop()
        stock = loop.getaddrinfo
        loop.getaddrinfo = lookups.Lookups(
            source=client_address,
            refused=lambda: self.met(LOOKUPS),
            most_for_one=lambda: getattr(ctx.options, LOOKUPS),
        ).getaddrinfo
        self._restore = lambda: setattr(loop, "getaddrinfo", stock)

    def done(self) -> None:
        self._restore()

    def met(self, name: str) -> None:
        if limits.meter.hit(name, self.clock()):
            logger.warning(LINES[name])


class Frames:
    """Implements `http2_limits.Frames`."""

    def __init__(self, owner: Endurance, *, from_client: bool) -> None:
        preface = http2_frames.PREFACE if from_client else 0
        burst = getattr(ctx.options, FRAMES, http2_frames.BURST)
        self._frames = http2_frames.Frames(from_client=from_client, preface=preface, burst=burst)
        self._owner = owner
        self.earn = self._frames.earn

    def feed(self, data: bytes) -> str:
        name = self._frames.feed(data, self._owner.clock())
        if name:
            self._owner.met(name)
        return name

    def expanded(self) -> None:
        self._owner.met("http2_headers")


class Patience:
    """Implements `slow_readers.Patience`."""

    def __init__(self, owner: Endurance) -> None:
        self._owner = owner

    @property
    def seconds(self) -> float:
        return float(getattr(ctx.options, SEND_TIMEOUT, 300))

    def lost(self) -> None:
        self._owner.met(SEND_TIMEOUT)


def client_address() -> str | None:
    """That of the client that the running task connects for; None for those on this machine, which all have
    the same."""
    client = dialing.client()
    if client is None or not client.peername:
        return None
    host = str(client.peername[0])
    return None if addresses.is_loopback(host) else host
