"""Takes secrets out of all that mitmproxy shows, saves and exports of flows.

Replaces: the `add` of both flow writers (saved files), `SaveHar.flow_entry` (HAR), `export.formats` (curl,
HTTPie, raw), `cut.extract`, `contentviews.prettify_message`, `Dumper.echo` (mitmdump's terminal),
`RequestHandler.write`, `FlowContent.flow` and `WebSocketEventBroadcaster._json_dumps` (mitmweb).
Why: a flow is replayed and sent as it is, so what it must not show can't be taken out of the flow itself.
These are the places where flows leave the process towards people, each of them off the way of requests.
Remove when: mitmproxy has one hook for what leaves towards people.
Upstream: none that we know of.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import tornado.escape
from mitmproxy import contentviews
from mitmproxy import flow
from mitmproxy import io
from mitmproxy.addons import cut
from mitmproxy.addons import dumper
from mitmproxy.addons import export
from mitmproxy.addons import savehar
from mitmproxy.tools.web import app

from claude_route.text import layout


class Hiding(NamedTuple):
    """What takes secrets out. Each returns the same object where there is nothing to hide."""

    data: Callable[[bytes], bytes]
    text: Callable[[str], str]
    flow: Callable[[flow.Flow], flow.Flow]
    message: Callable[[Any], Any]
    """Of a message of any kind."""

    def shown(self, text: str) -> str:
        """A text for a terminal, which mustn't be ordered about either."""
        return layout.harmless(self.text(text))


_STOCK = "before_exits"
"""The attribute by which the script finds mitmproxy's own function when it is loaded again."""


def install(hiding: Hiding) -> Callable[[], None]:
    """Returns a callable that undoes it."""
    undo = [
        _replaced(io.FlowWriter, "add", lambda stock: _second(stock, hiding.flow)),
        _replaced(io.FilteredFlowWriter, "add", lambda stock: _second(stock, hiding.flow)),
        _replaced(savehar.SaveHar, "flow_entry", lambda stock: _second(stock, hiding.flow)),
        _replaced(cut, "extract", lambda stock: _second(stock, hiding.flow)),
        _replaced(dumper.Dumper, "echo", lambda stock: _second(stock, hiding.shown)),
        _replaced(contentviews, "prettify_message", lambda stock: _view(stock, hiding)),
        _replaced(app.RequestHandler, "write", lambda stock: _write(stock, hiding)),
        _downloads(hiding),
        _replaced(
            app.WebSocketEventBroadcaster,
            "_json_dumps",
            lambda stock: lambda value: hiding.data(stock(value)),
        ),
        _exports(hiding),
    ]

    def uninstall() -> None:
        for each in undo:
            each()

    return uninstall


def _replaced(
    owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Callable[[], None]:
    before, declared = getattr(owner, name), vars(owner)[name]
    stock = getattr(before, _STOCK, before)
    replacement = functools.wraps(stock)(make(stock))
    setattr(replacement, _STOCK, stock)
    is_static = isinstance(declared, staticmethod)
    setattr(owner, name, staticmethod(replacement) if is_static else replacement)
    return lambda: setattr(owner, name, declared)


def _second(stock: Callable[..., Any], hide: Callable[[Any], Any]) -> Callable[..., Any]:
    """Calls it with the second argument hidden: a flow or a text."""

    def call(first: Any, second: Any, *args: Any, **kwargs: Any) -> Any:
        return stock(first, hide(second), *args, **kwargs)

    return call


def _view(stock: Callable[..., Any], hiding: Hiding) -> Callable[..., Any]:
    def prettify(message: Any, shown: flow.Flow, *args: Any, **kwargs: Any) -> Any:
        # Before, for views that cut a text into pieces; after, for those that put pieces together.
        result = stock(hiding.message(message), shown, *args, **kwargs)
        result.text = hiding.shown(result.text)
        return result

    return prettify


def _write(stock: Callable[..., Any], hiding: Hiding) -> Callable[..., Any]:
    def write(self: app.RequestHandler, chunk: Any) -> None:
        if isinstance(chunk, dict | list):
            self.set_header("Content-Type", "application/json; charset=UTF-8")
            chunk = tornado.escape.json_encode(chunk)
        if isinstance(chunk, str):
            chunk = hiding.text(chunk)
        elif isinstance(chunk, bytes):
            chunk = hiding.data(chunk)
        stock(self, chunk)

    return write


def _downloads(hiding: Hiding) -> Callable[[], None]:
    """The name of a downloaded file is made of the path, or of an answer's header, and is a header itself. mitmweb
    takes characters out of it first, so that a secret couldn't be found in it later."""
    handler: Any = app.FlowContent
    before = vars(handler).get("flow")

    def shown(self: app.FlowContent) -> flow.Flow:
        found: flow.Flow = super(handler, self).flow
        # What is uploaded changes the flow itself.
        return hiding.flow(found) if self.request.method == "GET" else found

    def undo() -> None:
        if before:
            handler.flow = before
        else:
            del handler.flow

    handler.flow = property(shown)
    return undo


def _exports(hiding: Hiding) -> Callable[[], None]:
    before = dict(export.formats)

    def hidden(form: Callable[[flow.Flow], str | bytes]) -> Callable[[flow.Flow], str | bytes]:
        stock = getattr(form, _STOCK, form)
        replacement = functools.wraps(stock)(lambda shown: stock(hiding.flow(shown)))
        setattr(replacement, _STOCK, stock)
        return replacement

    export.formats.update({name: hidden(form) for name, form in before.items()})
    return lambda: export.formats.update(before)
