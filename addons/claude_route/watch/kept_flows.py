"""Finds the flows whose bodies the sessions' pages show.

mitmweb has its flows. For the pages at the reverse listener, which more people may see, nothing but
summaries is kept unless the option `keep_bodies` says how much.
"""

from __future__ import annotations

from collections import OrderedDict

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import http

from claude_route import options
from claude_route.pages import asking
from claude_route.watch import capture
from claude_route.watch import labels
from claude_route.watch import memory
from claude_route.watch import upstream_requests
from claude_route.watch.views import claude


class KeptFlows:
    def __init__(self) -> None:
        self.max_bytes = 0
        self.held = 0
        """Bytes of the bodies of all that are kept, as they were when their flows ended."""
        self._flows: OrderedDict[str, tuple[http.HTTPFlow, int]] = OrderedDict()

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "keep_bodies",
            int,
            0,
            "Keep at most this many megabytes of requests and answers for the page /sessions at the "
            "reverse listener; 0: it shows summaries only.",
        )

    def configure(self, updated: set[str]) -> None:
        if "keep_bodies" in updated:
            if ctx.options.keep_bodies < 0:
                options.refuse("keep_bodies: expected 0 or a positive number")
            self.max_bytes = ctx.options.keep_bodies * memory.MEGABYTE
            self._drop()

    def request(self, flow: http.HTTPFlow) -> None:
        # From now on, so that a page shows an answer while it grows.
        self._keep(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self._keep(flow)

    error = response

    def _keep(self, flow: http.HTTPFlow) -> None:
        if not self.max_bytes or not claude.is_ours(flow):
            return
        _, before = self._flows.pop(flow.id, (flow, 0))
        size = memory.size(flow)
        self._flows[flow.id] = flow, size
        self.held += size - before
        self._drop()

    def _drop(self) -> None:
        while self._flows and self.held > self.max_bytes:
            _, (_, size) = self._flows.popitem(last=False)
            self.held -= size
        if not self._flows:
            self.held = 0

    def held_flows(self) -> list[str]:
        """The ids of those that are kept for the reverse listener."""
        return list(self._flows)

    def find(self, flow: str, in_mitmweb: bool) -> asking.Kept | None:
        """A flow by its id, as far as it may be shown there."""
        view = ctx.master.addons.get("view") if in_mitmweb else None
        found = view.get_by_id(flow) if view else None
        if found is None and flow in self._flows:
            found, _ = self._flows[flow]
        if not isinstance(found, http.HTTPFlow):
            return None
        capture.grow(found)
        target = labels.read(found.metadata).target or ""
        return asking.Kept(found, upstream_requests.of(found), target)
