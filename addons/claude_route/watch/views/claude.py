"""Content views of requests to models and their answers, for mitmweb and mitmproxy's console.

Three content views: `claude`, chosen automatically; `claude-full`, with nothing left out; and
`claude-upstream`, with the upstream request if it differs from the client's.
"""

from __future__ import annotations

from typing import Any

import msgspec
from mitmproxy import addonmanager
from mitmproxy import contentviews
from mitmproxy import http

from claude_route.dialects import dialect
from claude_route.dialects import fold
from claude_route.dialects import registry
from claude_route.sessions import misses
from claude_route.text import layout
from claude_route.watch import labels
from claude_route.watch import prices
from claude_route.watch import upstream_requests
from claude_route.watch.views import answers
from claude_route.watch.views import conversation
from claude_route.wire import http_message
from claude_route.wire import rawjson

JSON = "application/json"
STREAM = "text/event-stream"

SHOWN_AS_TEXT = 1_000_000
"""How many bytes of a body that can't be parsed are shown, as plain text."""


class Claude(contentviews.Contentview):
    """mitmproxy renders views in its event loop, so all connections wait for them."""

    syntax_highlight = "none"

    def __init__(
        self,
        name: str = "claude",
        *,
        priority: float = 2,
        full: bool = False,
        dollars: misses.Dollars = prices.LISTED,
    ) -> None:
        self._name = name
        self.priority = priority
        self.full = full
        self.dollars = dollars

    @property
    def name(self) -> str:
        return self._name

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        if not data or metadata.content_type not in (JSON, STREAM):
            return -1
        return self.priority if is_ours(metadata.flow) else -1

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        try:
            return self.page(data, metadata)
        except Exception:
            # The body isn't a valid message. mitmproxy would show it unchanged, and JSON would be one
            # endless line.
            return plain(data)

    def page(self, data: bytes, metadata: contentviews.Metadata) -> str:
        """Raises ValueError, and any other exception that a malformed body causes."""
        flow = metadata.flow
        if isinstance(flow, http.HTTPFlow) and metadata.http_message is flow.response:
            return answer_page(data, metadata, self.dollars, full=self.full)
        spoken = dialect_of(flow.request) if isinstance(flow, http.HTTPFlow) else registry.MESSAGES
        return conversation.render(data, spoken, routing(flow), full=self.full)


class Upstream(Claude):
    def page(self, data: bytes, metadata: contentviews.Metadata) -> str:
        flow = metadata.flow
        if not isinstance(flow, http.HTTPFlow):
            return super().page(data, metadata)
        if metadata.http_message is flow.response:
            notice = "(The answer as the client received it. The upstream's original isn't kept.)"
            return f"{notice}\n\n{super().page(data, metadata)}"
        request = upstream_requests.of(flow)
        if request is not None:
            return upstream_page(request, data)
        if labels.read(flow.metadata).rewritten:
            notice = (
                "(The upstream request is no longer in memory. "
                "It differed from the client's, shown below.)"
            )
        else:
            notice = "(The client's body went upstream unchanged.)"
        return f"{notice}\n\n{super().page(data, metadata)}"


class Views:
    """Registers the content views."""

    def __init__(self, dollars: misses.Dollars = prices.LISTED) -> None:
        self.views = [
            Claude(dollars=dollars),
            Claude("claude-full", priority=0.5, full=True, dollars=dollars),
            Upstream("claude-upstream", priority=0.25, full=True, dollars=dollars),
        ]

    def load(self, loader: addonmanager.Loader) -> None:
        for view in self.views:
            contentviews.add(view)

    def done(self) -> None:
        for view in self.views:
            # mitmproxy has no public way to remove a view.
            if contentviews.registry.get(view.name) is view:
                del contentviews.registry._by_name[view.name]


def is_ours(flow: Any) -> bool:
    """Whether it is a request to a model: a client's, or a failed attempt."""
    return isinstance(flow, http.HTTPFlow) and http_message.path(flow.request).endswith(
        registry.PATHS
    )


def dialect_of(request: http.Request) -> dialect.Dialect:
    """The dialect of a request: Messages for a client's, the provider's for a failed attempt."""
    return registry.at(http_message.path(request))


def routing(flow: Any) -> str:
    """`claude-opus-5-5 → zai/glm-5 · try 2 · token 2 …wxyz`, as far as it is known."""
    if not isinstance(flow, http.HTTPFlow):
        return ""
    flow_labels = labels.read(flow.metadata)
    if not flow_labels.target:
        return ""
    parts = [f"{flow_labels.model} → {flow_labels.target}"]
    if flow_labels.attempts not in (None, 1):
        parts.append(f"try {flow_labels.attempts}")
    if flow_labels.token:
        parts.append(flow_labels.token)
    line = " · ".join(parts)
    if flow_labels.passed_over:
        line += f"\npassed over: {flow_labels.passed_over}"
    return line


def answer_page(
    data: bytes, metadata: contentviews.Metadata, dollars: misses.Dollars, *, full: bool
) -> str:
    flow = metadata.flow
    assert isinstance(flow, http.HTTPFlow)
    assert flow.response
    is_stream = metadata.content_type == STREAM
    answer = dialect_of(flow.request).fold(data, is_stream=is_stream)
    if is_stream and not answer.events:
        raise ValueError("expected events, got none")
    began = flow.request.timestamp_start
    ended = flow.response.timestamp_end
    first = flow.response.timestamp_start
    about = answers.About(
        routing=routing(flow),
        running=flow.live and flow.error is None and ended is None,
        cost=cost(flow, answer, dollars),
        first_byte=first - began if first else None,
        duration=ended - began if ended else None,
        is_new=began <= connected if (connected := flow.server_conn.timestamp_start) else None,
    )
    return answers.render(answer, about, full=full)


def cost(flow: http.HTTPFlow, answer: fold.Answer, dollars: misses.Dollars) -> float | None:
    """Dollars; None if there is no price."""
    flow_labels = labels.read(flow.metadata)
    model = flow_labels.model or answer.model
    return dollars(flow_labels.target or "", model, answer.usage) if answer.usage else None


def upstream_page(request: http.Request, client_body: bytes) -> str:
    """The upstream request, and the fields in which it differs from the client's."""
    body = request.content or b""
    page = [f"{request.method} {request.url}"]
    page += [f"{name}: {value}" for name, value in request.headers.items(multi=True)]
    page += ["", *layout.lines(differences(client_body, body)), ""]
    try:
        page.append(conversation.render(body, dialect_of(request), full=True))
    except ValueError:
        page.append(plain(body))
    return "\n".join(page)


def differences(before: bytes, after: bytes) -> str:
    """`changed: model, messages · left out: thread · added: stream_options`"""
    try:
        old = rawjson.decode(rawjson.mend(before), dict[str, msgspec.Raw])
        new = rawjson.decode(rawjson.mend(after), dict[str, msgspec.Raw])
    except ValueError:
        return ""
    changed = [key for key in old if key in new and bytes(old[key]) != bytes(new[key])]
    parts = {
        "changed": changed,
        "left out": [key for key in old if key not in new],
        "added": [key for key in new if key not in old],
    }
    changes = [f"{what}: {', '.join(keys)}" for what, keys in parts.items() if keys]
    return "Compared with the client's request: " + (" · ".join(changes) or "no differences")


def plain(data: bytes) -> str:
    """A body as indented JSON, or else as text."""
    try:
        return msgspec.json.format(rawjson.mend(data), indent=2).decode()
    except rawjson.REFUSALS:
        return data[:SHOWN_AS_TEXT].decode("utf-8", "replace")
