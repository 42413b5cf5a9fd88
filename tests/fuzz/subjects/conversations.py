"""What people see: no recorded request and answer make a view, a row or a line of the log fail.

An input has three parts: a line of words about the flow (a path, a content type), the request's body, the
answer's body.
"""

from __future__ import annotations

from mitmproxy import contentviews
from mitmproxy import flow as flows
from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.watch import labels
from claude_route.watch import log
from claude_route.watch import memory
from claude_route.watch import rows
from claude_route.watch import upstream_requests
from claude_route.watch.views import claude
from tests.fuzz import mutation

VIEWS = claude.Views().views

ESCAPES = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0))} - {"\n", "\t"}
"""What a terminal takes for an order."""


def check(data: bytes) -> None:
    first, request, answer, *_ = [*data.split(mutation.SEPARATOR), b"", b"", b""]
    words = first.decode("utf-8", "surrogateescape").split()
    flow = recorded(words, request, answer)
    for message in (flow.request, flow.response):
        if message is None:
            continue
        for view in VIEWS:
            kind = message.headers.get("content-type", "").partition(";")[0]
            metadata = contentviews.Metadata(flow=flow, content_type=kind, http_message=message)
            view.render_priority(message.raw_content or b"", metadata)
            assert isinstance(view.prettify(message.raw_content or b"", metadata), str)
    line = rows.ended(flow, None)
    assert "\n" not in line and "\n" not in flow.comment, "a row of several lines"
    assert not ESCAPES & {*flow.comment, *line}, "a row with control characters"
    log.passed(flow)
    memory.size(flow)


def recorded(words: list[str], request: bytes, answer: bytes) -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    path = next((word for word in words if word.startswith("/")), "/v1/messages")
    kind = next(
        (word for word in words if word.startswith(("text/", "application/"))), "text/event-stream"
    )
    status = next((int(word) for word in words if word in ("204", "400", "429", "500")), 200)
    headers = http.Headers(content_type="application/json")
    flow.request = http.Request.make("POST", "https://api.anthropic.com", request, headers)
    flow.request.path = path
    flow.response = http.Response.make(status, answer, {"content-type": kind})
    flow.request.timestamp_start = flow.response.timestamp_start = 1000.0
    flow.response.timestamp_end = None if "running" in words else 1001.0
    flow.live = "running" in words
    if "error" in words:
        flow.error = flows.Error(answer.decode("utf-8", "replace"))
    if "routed" in words:
        flow.metadata |= labels.Labels(
            model="m", target=words[-1], attempts=2, token="", rewritten=True
        ).to_metadata()
        upstream_requests.remember(flow, flow.request.copy())
    return flow
