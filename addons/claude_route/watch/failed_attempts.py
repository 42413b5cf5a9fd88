"""Attempts that failed, as flows of their own: in mitmweb, in the console, in saved files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mitmproxy import connection
from mitmproxy import ctx
from mitmproxy import flow
from mitmproxy import http

from claude_route.access import credentials
from claude_route.proxy import contract
from claude_route.routing import failures

MARKER = ":x:"


def failed_attempt(
    answered: http.HTTPFlow,
    request: http.Request,
    failure: contract.Failure,
    *,
    started: float,
    comment: str,
    told: Mapping[str, Any],
) -> None:
    """`answered` is the client's flow; `request` is what went upstream, with placeholders; `told`
    is for the flow's metadata."""
    failed = http.HTTPFlow(answered.client_conn, answered.server_conn)
    failed.request = request.copy()
    failed.request.timestamp_start = started
    failed.request.timestamp_end = started
    if failure.kind is failures.Kind.CONNECT:
        failed.server_conn = connection.Server(address=(request.host, request.port))
    if failure.response:
        failed.response = failure.response.copy()
        credentials.hide_cookies(failed.response.headers)
        failed.response.timestamp_end = time.time()
    else:
        failed.error = flow.Error(failure.detail)
    failed.comment = comment
    failed.marked = MARKER
    failed.metadata |= told
    show(failed)


def show(shown: http.HTTPFlow) -> None:
    """To every part of mitmproxy that would have seen it, had it been a flow of its own."""
    view, save, dumper = (ctx.master.addons.get(name) for name in ("view", "save", "dumper"))
    if view is not None:  # an empty one is false
        view.add([shown])
    if save is not None:
        save.save_flow(shown)
    if dumper is not None:
        if shown.error:
            dumper.error(shown)
        else:
            dumper.response(shown)
