"""The code of mitmproxy's that we replace or rely on, by digest.

A patch replaces what mitmproxy's code did when the patch was written, and the HTTP layer relies on
the inner order of code that it inherits. Where a version of mitmproxy has other code there, the
tests name it, and a start says so: it may work all the same.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
from typing import NamedTuple


class Code(NamedTuple):
    """A function or class of mitmproxy's."""

    name: str
    """`module:qualified.name`"""
    digest: str
    """The first twelve hexadecimal digits of its source's SHA-256."""
    relied_on: str
    """What we rely on there, and where."""

    def now(self) -> str | None:
        """The digest of the installed version's code; None where it is gone."""
        module, _, path = self.name.partition(":")
        try:
            code = functools.reduce(getattr, path.split("."), importlib.import_module(module))
            # Of what a patch replaced, the source of the original: patches use functools.wraps.
            source = inspect.getsource(code)
        except (ImportError, AttributeError, OSError, TypeError):
            return None
        return hashlib.sha256(source.encode()).hexdigest()[:12]


def changed() -> list[Code]:
    """What is not, in the mitmproxy that runs, what we know."""
    return [code for code in CODE if code.now() != code.digest]


CODE = (
    Code(
        "mitmproxy.proxy.layers.http:HttpLayer.make_stream",
        "654959c6e745",
        "http_stream replaces it: whatever it does besides making an HttpStream is missing there",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpLayer.event_to_child",
        "1095f6e1581d",
        "events find their stream by id, before their connection goes on; answers to commands and "
        "wakeups find theirs in command_sources, which Alarm.release() changes",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpLayer.get_connection",
        "1aa1c63e3175",
        "answers at once where a connection is there; refuses for the error of an earlier one "
        "(Dialer._forget_refusals); joins one that is being made (connection_may_be_stale, "
        "give_up_connecting)",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpLayer.register_connection",
        "deed6282affc",
        "towards HTTP/1, an HTTP/2 client's requests share none: Dialer.connected() closes late ones",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream._handle_event",
        "e3cbfef7310a",
        "dispatch() takes some events away from it, stock() hands it the others",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_wait_for_request_headers",
        "3706d5d5ce01",
        "ends with the requestheaders hook: if that set a response, the override refuses",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_consume_request_body",
        "45459c1bbd8b",
        "nothing is sent when make_server_connection() returns False",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.start_request_stream",
        "46f03368a2a5",
        "asks make_server_connection() for requests that pass through",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_wait_for_response_headers",
        "10e32e91b294",
        "commit() and answer() enter there, and may come out killed",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_stream_response_body",
        "3fb6320300d3",
        "streaming() hands it data directly, for it asks for nothing that stock() changes",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.send_response",
        "d581bc106152",
        "refuse() calls it for a request that has not been read",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.flow_done",
        "ad9969744785",
        "its DropStream is how stock() learns that the stream is over",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.check_killed",
        "368cad352d1e",
        "leaves the stream in memory, so that stock() drops it",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.handle_protocol_error",
        "59fc3b2eeeab",
        "client_left() does for requests with attempts what it does for others",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.make_server_connection",
        "ddc7bc72f4d2",
        "Dialer.connect() asks for a connection as it does, but isn't paused",
    ),
    Code(
        "mitmproxy.proxy.layer:Layer.handle_event",
        "fd88b0fb09ce",
        "pauses a layer only where `blocking is True`, and else asks upwards while it is suspended",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Connection.read_body",
        "aece271029af",
        "reports the end of a message before mark_done() makes the connection ready for the next: "
        "why the next attempt comes by a wakeup",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Connection.mark_done",
        "dc5ed395ce4f",
        "a connection is kept only when request and response are done",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Client.send",
        "35d961e20d48",
        "a RequestProtocolError closes the connection: how Dialer.abandon() cancels",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Client.read_headers",
        "415454c5fa8b",
        "takes an informational response for the whole answer: why waiting() fails there",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http2:Http2Client._handle_event",
        "02de05a5b89f",
        "takes stream ids of any size for its own",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.open_connection",
        "5e0b3cbaf7a4",
        "sets timestamp_start once it may connect, not while it is queued behind five others; "
        "answers when it is cancelled then, and only then",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.server_event",
        "a2b42657ebe8",
        "carries out what is yielded at once, in order; a wakeup is a task of its own",
    ),
    # What the patches replace, and what they call.
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.handle_connection",
        "95c3f93e9824",
        "unclosed wraps it: a cancelled task leaves its writer in `transports`",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager.trigger_event",
        "b763c59bc499",
        "hooktable replaces it: a group of hooks for each addon in the chain",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager._iter_hooks",
        "350b419ab728",
        "hooktable calls it once for each event",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager.register",
        "01ddcca314ee",
        "hooktable wraps it: the one way in for an addon",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager.remove",
        "2e93aab2204a",
        "hooktable wraps it: the one way out for an addon",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager.invoke_addon",
        "131805324403",
        "hooktable does the same: awaits what is awaitable",
    ),
    Code(
        "mitmproxy.addonmanager:safecall",
        "f2052c18340e",
        "hooktable hands it what a hook raises",
    ),
    Code(
        "mitmproxy.tools.web.app:RequestHandler.prepare",
        "b316cd97beaa",
        "mitmweb wraps it: runs before every handler's method, and checks the login",
    ),
    Code(
        "mitmproxy.optmanager:dump_dicts",
        "f48bd145154e",
        "mitmweb wraps it: all that mitmweb shows of options comes from there",
    ),
    Code(
        "mitmproxy.contentviews._registry:ContentviewRegistry.register",
        "35788caf4f04",
        "watch.views removes its views from the `_by_name` that it fills",
    ),
    Code(
        "mitmproxy.optmanager:_Option.current",
        "6859c2d9c826",
        "is_set_by_user() reads the `value` that it returns unless that is `unset`",
    ),
    Code(
        "mitmproxy.flow:Flow.backup",
        "83ea231efb27",
        "watch.memory clears the `_backup` that it fills",
    ),
)
