"""Records failed attempts as separate flows, in mitmweb, in the console and in saved files."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from mitmproxy import connection
from mitmproxy import ctx
from mitmproxy import flow
from mitmproxy import http

from claude_route.access import credentials
from claude_route.proxy import contract
from claude_route.routing import failures
from claude_route.watch import labels
from claude_route.watch.views import comments

MARKER = ":x:"


type Report = Callable[[contract.RoutedRequest, contract.FailedAttempt, http.HTTPFlow | None], None]


class FailedAttempts(contract.Observer):
    def __init__(self, report: Report = lambda request, attempt, flow: None) -> None:
        """`report` gets each attempt, and its flow if it has one."""
        self._report = report

    def failed(self, request: contract.RoutedRequest, attempt: contract.FailedAttempt) -> None:
        if attempt.is_only:
            # The client's own flow shows it.
            self._report(request, attempt, None)
            return
        tried = attempt.attempt
        why, then = comments.why(attempt), comments.following(attempt.then)
        found = labels.Labels(attempt_of=request.flow.id, why=why, then=then or None)
        recorded = failed_attempt(
            request.flow,
            tried.request,
            attempt.failure,
            started=tried.started,
            comment=comments.attempt_failed(
                request.model,
                tried.token or tried.target,
                why,
                then,
            ),
            metadata=labels.of_attempt(request, tried).to_metadata() | found.to_metadata(),
        )
        self._report(request, attempt, recorded)


def failed_attempt(
    answered: http.HTTPFlow,
    request: http.Request,
    failure: contract.Failure,
    *,
    started: float,
    comment: str,
    metadata: Mapping[str, Any],
) -> http.HTTPFlow:
    """Returns the attempt's own flow. `answered` is the client's flow; `request` is what went upstream, with placeholders."""
    failed = http.HTTPFlow(answered.client_conn, answered.server_conn)
    failed.request = request.copy()
    failed.request.timestamp_start = started
    failed.request.timestamp_end = started
    if failure.kind is failures.Kind.CONNECT or failure.kind.awaits_user:
        failed.server_conn = connection.Server(address=(request.host, request.port))
    if failure.response:
        failed.response = failure.response.copy()
        credentials.hide_cookies(failed.response.headers)
        failed.response.timestamp_end = time.time()
    else:
        failed.error = flow.Error(failure.detail)
    failed.comment = comments.about(comment, labels.prompt(answered.metadata))
    failed.marked = MARKER
    failed.metadata |= metadata
    show(failed)
    return failed


def show(shown: http.HTTPFlow) -> None:
    """Pass the flow to every part of mitmproxy that sees ordinary flows."""
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
