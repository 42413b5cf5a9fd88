"""Bounds the memory of the flows in mitmweb and the console.

Both keep every flow forever. This addon drops bodies before flows, the oldest first, except for
flows in progress, intercepted or marked by the user. mitmdump keeps no flows, so there it does
nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import flow
from mitmproxy import http
from mitmproxy import tcp
from mitmproxy import udp

from claude_route import options
from claude_route.watch import failed_attempts
from claude_route.watch import upstream_requests

MEGABYTE = 1024 * 1024

BATCH = 20
"""When a limit is reached, one in this many is dropped at once, so that we scan all flows once in
hundreds of requests rather than for each."""


class Memory:
    """Drops the oldest bodies and flows once a limit is exceeded."""

    def __init__(self) -> None:
        self.max_flows = self.max_bytes = 0
        self.held = 0
        """The approximate bytes of bodies: the last measurement plus the bodies of each flow
        since."""
        self.flows_to_scan = self.bytes_to_scan = 0
        """Scanning all flows again is useful only above these."""

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "keep_flows",
            int,
            2000,
            "Keep at most this many flows in mitmweb and the console; 0: no limit. "
            "Flows in progress, intercepted or marked stay.",
        )
        loader.add_option(
            "keep_megabytes",
            int,
            100,
            "Keep at most this many megabytes of bodies in mitmweb and the console; 0: no limit. "
            "The oldest flows lose their bodies first, but stay in the list.",
        )

    def configure(self, updated: set[str]) -> None:
        for name in ("keep_flows", "keep_megabytes"):
            if getattr(ctx.options, name) < 0:
                options.refuse(f"{name}: expected 0 or a positive number")
        if updated & {"keep_flows", "keep_megabytes"}:
            self.max_flows = ctx.options.keep_flows
            self.max_bytes = ctx.options.keep_megabytes * MEGABYTE
            self.enforce_limits()

    def response(self, flow: flow.Flow) -> None:
        view = ctx.master.addons.get("view")
        if view is None:
            return
        self.held += size(flow)
        if (self.max_flows and view.store_count() > self.flows_to_scan) or (
            self.max_bytes and self.held > self.bytes_to_scan
        ):
            self.enforce_limits()

    error = response
    tcp_end = tcp_error = udp_end = udp_error = response
    dns_response = dns_error = websocket_end = response

    def enforce_limits(self) -> None:
        """Scan all flows, and drop what exceeds the limits."""
        view = ctx.master.addons.get("view")
        if view is None:
            return
        spare = self.max_flows // BATCH
        excess = view.store_count() - self.max_flows
        if self.max_flows and excess > 0:
            flows = view.resolve("@all")
            # One at a time: mitmproxy logs a line if several are removed at once.
            for flow in itertools.islice(filter(is_droppable, flows), excess + spare):
                view.remove([flow])
        self.flows_to_scan = max(self.max_flows, view.store_count() + spare)
        self.drop_bodies(view)

    def drop_bodies(self, view: Any) -> None:
        flows = view.resolve("@all")
        self.held = sum(map(size, flows))
        spare = self.max_bytes // BATCH
        if self.max_bytes and self.held > self.max_bytes:
            for flow in filter(is_droppable, flows):
                if self.held <= self.max_bytes - spare:
                    break
                if flow_bytes := size(flow):
                    strip(flow)
                    self.held -= flow_bytes
                    view.update([flow])
        self.bytes_to_scan = max(self.max_bytes, self.held + spare)


def is_droppable(flow: flow.Flow) -> bool:
    """Whether a flow is over and neither intercepted nor marked by a user."""
    if flow.live or flow.intercepted or flow.marked not in ("", failed_attempts.MARKER):
        return False
    # A replay that has not begun yet has neither a response nor an error.
    return not isinstance(flow, http.HTTPFlow) or bool(flow.response or flow.error)


def size(flow: flow.Flow) -> int:
    """Bytes of its bodies."""
    return sum(len(body) for body in bodies(flow) if body)


def bodies(flow: flow.Flow) -> Iterable[bytes | None]:
    if isinstance(flow, http.HTTPFlow):
        yield flow.request.raw_content
        if upstream := upstream_requests.of(flow):
            yield upstream.raw_content
        if flow.response:
            yield flow.response.raw_content
        if flow.websocket:
            yield from (message.content for message in flow.websocket.messages)
    elif isinstance(flow, tcp.TCPFlow | udp.UDPFlow):
        yield from (message.content for message in flow.messages)


def strip(flow: flow.Flow) -> None:
    """Remove its bodies. mitmproxy shows such messages as `Content is missing`."""
    if isinstance(flow, http.HTTPFlow):
        flow.request.data.content = None
        upstream_requests.forget(flow)
        if flow.response:
            flow.response.data.content = None
        if flow.websocket:
            flow.websocket.messages.clear()
    elif isinstance(flow, tcp.TCPFlow | udp.UDPFlow):
        flow.messages.clear()
    # The flow as it was before a user changed it, including bodies.
    flow._backup = None
