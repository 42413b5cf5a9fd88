"""A graceful stop: after SIGTERM, answers that are under way are finished, and nothing else is begun.

First `/health` says 503, for `drain_delay` seconds in which all else is served as ever: so whoever sends requests here
looks elsewhere. Then the listeners close, with the connections on which nobody waits for an answer. The process
ends when all is answered, after `drain_seconds` at the latest, or at a second signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
from collections.abc import Callable

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

from claude_route import background
from claude_route import responses
from claude_route.access import entrances
from claude_route.access import listeners
from claude_route.access import places
from claude_route.proxy import contract
from claude_route.text import quantities
from claude_route.wire import http_message

logger = logging.getLogger(__name__)

HEALTH = "/health"

TICK = 0.05
"""Seconds between two looks at what is under way."""

QUIET = 0.2
"""Seconds for which nobody has waited for an answer on a connection that is closed: the last bytes of one are
still on their way when it is over."""

GOODBYE = 1.0
"""Seconds that the connections that are left have for their end, once all is answered."""


class Draining(contract.Observer):
    """An addon, after the one that admits requests; and an observer, which counts those under way."""

    def __init__(self, entrance: entrances.Entrance) -> None:
        self.under_way = 0
        self._entrance = entrance
        self._closable: dict[places.Place, float] = {}
        """Since when a connection has been seen to be closable."""
        self._is_stopping = False
        self._is_closed = False
        self._task: asyncio.Task[None] | None = None

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "drain_seconds",
            int,
            10,
            "Seconds that answers under way have for their end after SIGTERM; 0 to end at once.",
        )
        loader.add_option(
            "drain_delay",
            int,
            0,
            "Seconds after SIGTERM in which /health says 503, but requests are still accepted.",
        )

    def running(self) -> None:
        # Windows has no such signals; mitmproxy ends at once there.
        with contextlib.suppress(NotImplementedError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop)

    def stop(self) -> None:
        """Begin to end; at the second time, end at once."""
        if self._is_stopping:
            ctx.master.shutdown()
            return
        self._is_stopping = True
        self._task = background.start(self._drain(), "the stop")

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not self._is_stopping or flow.response or not flow.live:
            return
        if self._is_health(flow):
            flow.response = http.Response.make(
                503, json.dumps({"status": "stopping"}), {"content-type": "application/json"}
            )
        elif self._is_closed:
            flow.response = responses.passing(503, "This proxy is being stopped; try again")
        else:
            return
        flow.request.stream = False
        flow.response.headers["connection"] = "close"
        responses.fit(flow.response, flow.request)

    def began(self, request: contract.RoutedRequest) -> None:
        self.under_way += 1

    def closed(
        self, request: contract.RoutedRequest, tokens: contract.Usage | None, why: str | None
    ) -> None:
        self.under_way -= 1

    def _is_health(self, flow: http.HTTPFlow) -> bool:
        return listeners.is_reverse(flow.client_conn) and http_message.path(flow.request) == HEALTH

    async def _drain(self) -> None:
        limit = ctx.options.drain_seconds
        if limit and ctx.options.drain_delay:
            logger.info(f"Stopping: /health says 503 for {ctx.options.drain_delay} s")
            await asyncio.sleep(ctx.options.drain_delay)
        self._is_closed = self._entrance.is_ending = True
        await ctx.master.addons.get("proxyserver").servers.update([])
        if limit and self.under_way:
            requests = quantities.counted(self.under_way, "request")
            logger.info(f"Stopping: {limit} s for the end of {requests}")
        if limit:
            await self._wait(lambda: not self.under_way, limit)
            await self._wait(lambda: not self._entrance.table.count, GOODBYE)
        if self.under_way:
            requests = quantities.counted(self.under_way, "request")
            logger.warning(f"Stopping, which interrupts {requests}")
        ctx.master.shutdown()

    async def _wait(self, is_over: Callable[[], bool], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not is_over() and loop.time() < deadline:
            await asyncio.sleep(TICK)
            self._close_idle()

    def _close_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        closable = self._entrance.table.closable()
        self._closable = {place: self._closable.get(place, now) for place in closable}
        for place, since in self._closable.items():
            if now - since >= QUIET:
                self._entrance.table.close(place)
