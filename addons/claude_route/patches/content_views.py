"""Has mitmproxy's content views leave long and odd bodies alone, and mitmweb call them in a thread.

Replaces: `contentviews.prettify_message`, `app.FlowContentView.get`.
Why: mitmproxy formats a body in its event loop, however long that takes: 30 MB of `[1,1,1,…` stop it for a
minute when somebody looks at them, and 30 MB of zeros become 150 MB of hexadecimal digits. The regular expressions
for JavaScript and CSS take minutes for some kilobytes that a client made up (`"\\"\\"\\…`), in which no thread runs.
Remove when: mitmproxy formats elsewhere than in its event loop, has a limit, and its views take linear time.
Upstream: docs/upstream/content-views.md
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent import futures
from typing import Any

from mitmproxy import contentviews
from mitmproxy import flow
from mitmproxy.contentviews import _utils
from mitmproxy.tools.web import app

from claude_route.wire import shape

LONGEST = 8 * 1024 * 1024
"""Bytes that a view gets."""

SHOWN = 64 * 1024
"""Bytes shown of what no view gets."""

SLOW = ("viewcss", "javascript", "wbxml")
"""The views that get nothing: what they take no limit is low enough for."""

SHORT = (
    *("dns", "graphql", "grpc", "http/3 frames", "image", "mqtt", "msgpack", "multipart form"),
    *("protobuf", "query", "socket.io", "url-encoded", "xml/html", "zip archive"),
)
SHORTEST = 16 * 1024
"""The views that get bodies of so many bytes only. Nobody sends such to a model."""


def install() -> Callable[[], None]:
    """For every body that is shown from now on; the callable undoes it."""
    stock, stock_get = contentviews.prettify_message, app.FlowContentView.get

    thread = futures.ThreadPoolExecutor(1, thread_name_prefix="views")

    @functools.wraps(stock)
    def prettify_message(
        message: _utils.ContentviewMessage, flow: flow.Flow, *args: Any, **kwargs: Any
    ) -> contentviews.ContentviewResult:
        data, encoding = _utils.get_data(message)
        if data is None or is_fit(data, view(data, message, flow, *args, **kwargs)):
            return stock(message, flow, *args, **kwargs)
        text = f"[{len(data):,} bytes, too long to be formatted; they begin so]\n"
        return contentviews.ContentviewResult(
            text=text + data[:SHOWN].decode("utf-8", "backslashreplace"),
            syntax_highlight="none",
            view_name="raw",
            description=encoding,
        )

    @functools.wraps(stock_get)
    async def get(self: app.FlowContentView, flow_id: str, message: str, content_view: str) -> None:
        show = functools.partial(stock_get, self, flow_id, message, content_view)
        await asyncio.get_running_loop().run_in_executor(thread, show)

    def uninstall() -> None:
        thread.shutdown(wait=False)
        contentviews.prettify_message = stock
        app.FlowContentView.get = stock_get  # type: ignore[method-assign]

    contentviews.prettify_message = prettify_message
    app.FlowContentView.get = get  # type: ignore[assignment, method-assign]
    return uninstall


def view(
    data: bytes,
    message: _utils.ContentviewMessage,
    flow: flow.Flow,
    view_name: str = "auto",
    registry: contentviews.ContentviewRegistry = contentviews.registry,
) -> str:
    """The name of the view that would format it."""
    if len(data) > LONGEST:
        return ""
    metadata = contentviews.make_metadata(message, flow)
    return registry.get_view(data, metadata, view_name).name.lower()


def longest(view: str) -> int:
    """How many bytes a view gets."""
    if view in SLOW:
        return 0
    return SHORTEST if view in SHORT else LONGEST


def is_fit(data: bytes, view: str = "") -> bool:
    """Whether a view can format it in a few seconds."""
    if len(data) > longest(view):
        return False
    try:
        shape.check(data, 0)
    except OverflowError:
        return False
    return True
