"""The upstream requests that differ from the client's, kept for display.

They contain placeholders for credentials, as flows do, and are freed with their flows.
"""

from __future__ import annotations

import weakref

from mitmproxy import http

from claude_route.proxy import contract
from claude_route.watch import labels

_requests: weakref.WeakKeyDictionary[http.HTTPFlow, http.Request] = weakref.WeakKeyDictionary()


class UpstreamRequests(contract.Observer):
    def committed(
        self,
        request: contract.RoutedRequest,
        attempt: contract.Try,
        progress: contract.Progress,
    ) -> None:
        if attempt.rewritten:
            remember(request.flow, attempt.request)


def remember(flow: http.HTTPFlow, request: http.Request) -> None:
    """Keep the upstream request of a flow. Its body differs from the flow's own."""
    _requests[flow] = request
    # Saved and copied flows keep this label after the upstream request itself is gone.
    flow.metadata |= labels.Labels(rewritten=True).to_metadata()


def of(flow: http.HTTPFlow) -> http.Request | None:
    """None if the client's bytes went upstream unchanged, or the upstream request is no longer in
    memory."""
    return _requests.get(flow)


def forget(flow: http.HTTPFlow) -> None:
    """Free the memory of a flow's upstream request."""
    _requests.pop(flow, None)
