"""Digests of the code of mitmproxy that we replace or rely on.

A patch replaces what mitmproxy's code did when the patch was written, and the HTTP layer relies on
the inner order of code that it inherits. If a version of mitmproxy has other code there, the tests
fail and name it, and the log warns at start. It may still work.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
from typing import NamedTuple


class Code(NamedTuple):
    """A function or class of mitmproxy."""

    name: str
    """`module:qualified.name`"""
    digest: str
    """The first twelve hexadecimal digits of its source's SHA-256."""
    relied_on: str
    """What we rely on, and where."""
    newer: str = ""
    """The digest in the newest version, if its code is other there and what we rely on holds."""

    def now(self) -> str | None:
        """The digest of the code in the installed version; None if it doesn't exist there."""
        module, _, path = self.name.partition(":")
        try:
            code = functools.reduce(getattr, path.split("."), importlib.import_module(module))
            # For patched code this is the source of the original, because patches use functools.wraps.
            source = inspect.getsource(code)
        except (ImportError, AttributeError, OSError, TypeError):
            return None
        return hashlib.sha256(source.encode()).hexdigest()[:12]


def changed() -> list[Code]:
    """The code that differs in the running mitmproxy."""
    return [code for code in CODE if code.now() not in (code.digest, code.newer)]


CODE = (
    Code(
        "mitmproxy.proxy.layers.http:HttpLayer.make_stream",
        "654959c6e745",
        "http_stream replaces it: whatever else it does than make an HttpStream would be missing",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpLayer.event_to_child",
        "1095f6e1581d",
        "events of a connection reach the layer that yielded its OpenConnection: how Act reaches its "
        "stream, and why run() takes the connection out of `connections`",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream._handle_event",
        "e3cbfef7310a",
        "dispatch() handles some events itself, stock() passes it the others",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_wait_for_request_headers",
        "3706d5d5ce01",
        "ends with the requestheaders hook: if the hook set a response, the override refuses",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_consume_request_body",
        "45459c1bbd8b",
        "nothing is sent when make_server_connection() returns False",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.start_request_stream",
        "46f03368a2a5",
        "calls make_server_connection() for requests that pass through",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_wait_for_response_headers",
        "10e32e91b294",
        "begin() and answer() enter there, and may come out killed",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.state_stream_response_body",
        "3fb6320300d3",
        "client_writer does for data what it does: asks `stream`, and sends what that returns",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.send_response",
        "d581bc106152",
        "refuse() calls it for a request whose body has not been read",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.handle_connect",
        "58ac37c8d346",
        "has set the server's address when it comes to handle_connect_finish()",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.handle_connect_regular",
        "ae920a520678",
        "is called after the http_connect hook, before anything is connected: check_tunnel() refuses there",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.handle_connect_upstream",
        "61581d87a5d7",
        "the same in the mode `upstream`",
    ),
    Code(
        "mitmproxy.addons.script:Script.loadscript",
        "f2972abb206f",
        "calls the old script's `done` before it loads the new one: listeners.Listeners.succeeds",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.handle_connect_finish",
        "eb3a0054cb5b",
        "makes a tunnel unless `flow.response` is set; that is `passthrough` then",
    ),
    Code(
        "mitmproxy.proxy.server:TimeoutWatchdog",
        "95c9f187c70d",
        "tunnels disarm it: it closes no connection then, if there is an activity before it wakes",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.flow_done",
        "ad9969744785",
        "its DropStream tells stock() that the stream is over",
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
        "mitmproxy.proxy.layer:Layer.handle_event",
        "fd88b0fb09ce",
        "pauses a layer only where `blocking is True`, and keeps its events until it goes on: what "
        "ClientWriter.is_free asks",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.open_connection",
        "5e0b3cbaf7a4",
        "client_tasks, dialing, redirects and unclosed wrap it: runs as a task, which CloseConnection "
        "cancels, its hooks included, and calls asyncio.open_connection",
    ),
    Code(
        "mitmproxy.net.tls:create_proxy_server_context",
        "e2d90d71c574",
        "roots adds to the contexts that it keeps, where no option names other roots",
    ),
    Code(
        "mitmproxy.proxy.layers.http:HttpStream.make_server_connection",
        "ddc7bc72f4d2",
        "connect() does for requests that pass through what it does",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.server_event",
        "a2b42657ebe8",
        "carries out what is yielded at once, in order; notes the task of an OpenConnection in "
        "`transports`",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.handle_client",
        "01f1b7cc991c",
        "when its client has gone, it cancels the tasks in `transports`, and waits for them",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Server.send",
        "cc218a1337c0",
        "client_writer frames a body as it does: chunked where the header says so, else as it is",
    ),
    Code(
        "mitmproxy.proxy.layers.tls:TLSLayer.send_data",
        "35a29a1b0b0c",
        "client_writer encrypts as it does",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http_h2:BufferedH2Connection.send_data",
        "eeb7918d96b1",
        "keeps in `stream_buffers` what an HTTP/2 client has no room for",
    ),
    Code(
        "mitmproxy.addons.clientplayback:ReplayHandler.handle_hook",
        "c36485d27984",
        "cancels the tasks in `transports` when a response is there, and waits for them",
    ),
    # What the patches replace, and what they call.
    Code(
        "mitmproxy.http:MessageData.__post_init__",
        "f65088e210cd",
        "message_types asks the same of each part, and calls it where one is wrong",
    ),
    Code(
        "mitmproxy.log:LegacyLogEvents.emit",
        "422923602275",
        "log_events calls it only where an addon has `add_log`",
    ),
    Code(
        "mitmproxy.utils.typecheck:check_option_type",
        "b60e47c7091f",
        "message_types accepts the types that it does",
    ),
    Code(
        "mitmproxy.proxy.layers.tls:get_client_hello",
        "7fda12c4e3ef",
        "first_bytes wraps it: all that looks for a ClientHello calls it",
    ),
    Code(
        "mitmproxy.addons.next_layer:NextLayer._ignore_connection",
        "3deb115e04c3",
        "first_bytes wraps it: raises NeedsMoreData while a head is incomplete",
    ),
    Code(
        "mitmproxy.addons.next_layer:NextLayer._get_host_header",
        "cb608ac9b6e6",
        "first_bytes replaces it, with one that takes linear time",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Connection._handle_event",
        "2ac8db3e43ae",
        "client_http1 overrides it: keeps what comes in `buf`, and calls `state`",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Connection.mark_done",
        "dc5ed395ce4f",
        "client_http1: `request_done`, `response_done` and the states after them",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Server.read_headers",
        "3fe0945216bc",
        "client_http1 overrides it: waits for a head that is within its limits",
    ),
    Code(
        "mitmproxy.tools.web.master:WebMaster.running",
        "b19403716849",
        "mitmweb replaces the HTTPServer that it makes",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.handle_connection",
        "95c3f93e9824",
        "unclosed wraps it: a cancelled task leaves its writer in `transports`; large_reads: it calls "
        "`reader.read` with the size of a piece",
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
        "hooktable wraps it: the only way to add an addon",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager.remove",
        "2e93aab2204a",
        "hooktable wraps it: the only way to remove an addon",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager.invoke_addon",
        "131805324403",
        "hooktable also awaits what is awaitable",
    ),
    Code(
        "mitmproxy.addonmanager:safecall",
        "f2052c18340e",
        "hooktable passes it what a hook raises",
    ),
    Code(
        "mitmproxy.addonmanager:AddonManager.handle_lifecycle",
        "38c97e792d1d",
        "hooktable does the same in run(): the hook, then `update`",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.hook_task",
        "9ac797016052",
        "hooktable does the same in run(): what a hook returns is no reply",
    ),
    Code(
        "mitmproxy.proxy.mode_servers:ProxyConnectionHandler.handle_hook",
        "9f8b52fd7982",
        "hooktable does the same in run(), and leaves a flow that was intercepted to it",
    ),
    Code(
        "mitmproxy.addons.asgiapp:ASGIApp.request",
        "602d253086c7",
        "hooktable does not call it unless should_serve()",
    ),
    Code(
        "mitmproxy.addons.onboarding:Onboarding.request",
        "f6e48a4764c8",
        "hooktable does not call it unless should_serve()",
    ),
    Code(
        "mitmproxy.tools.web.app:RequestHandler.prepare",
        "b316cd97beaa",
        "mitmweb wraps it: runs before every handler's method, and checks the login",
    ),
    Code(
        "mitmproxy.optmanager:dump_dicts",
        "f48bd145154e",
        "mitmweb wraps it: mitmweb shows options only through it",
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
        "mitmproxy.optmanager:OptManager.set",
        "c9f2d847f0ea",
        "unknown_options() tells the command line's by their `_UnconvertedStrings`",
    ),
    Code(
        "mitmproxy.master:Master.run",
        "45c44c14f8f7",
        "opening.keep_closed cancels its task `setup_servers`, and it goes on to `running`",
    ),
    Code(
        "mitmproxy.addons.proxyserver:Servers.update",
        "e653c1bdfa8c",
        "opening.keep_closed empties the `_instances` that it fills before it opens them",
    ),
    Code(
        "mitmproxy.proxy.mode_servers:AsyncioServerInstance._start",
        "f96507081fa6",
        "opening.FAILED reads its message about a listener that can't be opened",
    ),
    Code(
        "mitmproxy.flow:Flow.backup",
        "83ea231efb27",
        "watch.memory clears the `_backup` that it fills",
    ),
    Code(
        "mitmproxy.net.encoding:decode",
        "dbdd0b6fc0c0",
        "decoding replaces it for the encodings of HTTP, and calls it for those of text",
    ),
    Code(
        "mitmproxy.flowfilter:_Rex.__init__",
        "0f121e961f82",
        "filters replaces it: it compiles an expression, of which filters use only `search` and `flags`",
        newer="08bd8d3f2617",
    ),
    Code(
        "mitmproxy.flowfilter:parse",
        "a77423512698",
        "filters calls it: it uses `_Rex` and pyparsing",
        newer="3cf078f3f0b9",
    ),
    Code(
        "mitmproxy.tools.web.app:ClientConnection.update_filter",
        "68fec08ac39c",
        "filters replaces it: it keeps a search, and tells the browser which flows match",
    ),
    Code(
        "mitmproxy.tools.web.app:FlowContentView.get",
        "7b7c23435cf9",
        "content_views calls it in a thread: it only reads the flow, and writes one answer",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http_h2:BufferedH2Connection.receive_data",
        "7dd57c12dc7e",
        "http2_limits calls it with pieces of a read",
        newer="1ebc3cf9b6b1",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http2:Http2Connection.protocol_error",
        "461f5e7de9c9",
        "closes the connection that http2_limits refuses, with `close_connection` of `h2_conn`",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Connection.read_body",
        "aece271029af",
        "client_http1 overrides it: leaves nothing of a chunk's data in `buf`; http1_messages wraps "
        "it: closes the connection first when `body_reader` raises",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:make_body_reader",
        "9b076acda459",
        "http1_messages wraps it: None is the size of a chunked body",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Client.read_headers",
        "415454c5fa8b",
        "http1_messages wraps it: reads from `buf`, and leaves there what is not complete",
    ),
    Code(
        "mitmproxy.proxy.layers.http._http1:Http1Client.send",
        "35d961e20d48",
        "http1_messages wraps it: raises for trailers",
    ),
    Code(
        "mitmproxy.proxy.server:ConnectionHandler.drain_writers",
        "6b5743460456",
        "slow_readers does the same, but not for ever",
    ),
    Code(
        "mitmproxy.io.io:FlowWriter.add",
        "45664cd780ab",
        "exits gives it flows without secrets: whatever else writes saved files would not get them",
    ),
    Code(
        "mitmproxy.io.io:FilteredFlowWriter.add",
        "3bf1538770a2",
        "as FlowWriter.add",
    ),
    Code(
        "mitmproxy.addons.save:Save.done",
        "8cb23d61c5c8",
        "saved_files writes what is in `active_flows` first, and waits until it is written",
    ),
    Code(
        "mitmproxy.addons.save:Save.maybe_rotate_to_new_file",
        "d8cb4037683f",
        "saved_files knows when it closes the file before it",
    ),
    Code(
        "mitmproxy.addons.save:Save.save",
        "5873d4f7a21f",
        "saved_files makes its file for the user only",
    ),
    Code(
        "mitmproxy.addons.savehar:SaveHar.export_har",
        "9fc2a9754257",
        "as Save.save",
    ),
    Code(
        "mitmproxy.addons.savehar:SaveHar.done",
        "60742ed0d33e",
        "as Save.save",
    ),
    Code(
        "mitmproxy.addons.savehar:SaveHar.flow_entry",
        "a0a3967ae050",
        "exits gives it flows without secrets: make_har takes all of a flow from it",
    ),
    Code(
        "mitmproxy.addons.export:Export",
        "39865c43da2b",
        "exits replaces `formats`, through which all exports go",
    ),
    Code(
        "mitmproxy.addons.cut:extract",
        "3ee02221ecdc",
        "exits gives it flows without secrets, as its second argument",
    ),
    Code(
        "mitmproxy.contentviews:prettify_message",
        "5b6872aba7f8",
        "exits hides what it gets and what it returns",
    ),
    Code(
        "mitmproxy.addons.dumper:Dumper.echo",
        "0b843c828ea3",
        "exits hides its text: all that mitmdump prints of flows goes through it",
    ),
    Code(
        "mitmproxy.tools.web.app:RequestHandler.write",
        "65bfc9777f7e",
        "exits encodes lists as it does, and hides what mitmweb answers",
    ),
    Code(
        "mitmproxy.tools.web.app:WebSocketEventBroadcaster",
        "8a39e9e2acec",
        "exits hides what its _json_dumps returns: all that mitmweb pushes",
    ),
    Code(
        "mitmproxy.tools.web.app:ClientConnection._broadcast_flow",
        "faad3684da78",
        "filters does the same later, for flows that take long to look through",
    ),
    Code(
        "mitmproxy.tools.web.app:FlowContent.get",
        "a85ad0f7fe67",
        "exits gives it flows without secrets: it makes a header of what they say",
    ),
    Code(
        "mitmproxy.log:MitmFormatter.format",
        "2a82d2c595dd",
        "log_records: it takes the text of a record and formatException, and nothing else",
    ),
    Code(
        "mitmproxy.proxy.layers.tcp:TCPLayer.relay_messages",
        "3b3d49a9f63b",
        "unread replaces the flow's message in the hook: it sends its own one",
    ),
    Code(
        "mitmproxy.proxy.layers.udp:UDPLayer.relay_messages",
        "b87c6542501f",
        "as TCPLayer.relay_messages",
    ),
    Code(
        "mitmproxy.proxy.layers.websocket:WebsocketLayer.relay_messages",
        "2d451252c728",
        "as TCPLayer.relay_messages",
    ),
    Code(
        "mitmproxy.addons.next_layer:NextLayer.next_layer",
        "d277fef31bbe",
        "log_quotes cuts the quote of what it has not decided yet",
    ),
    Code(
        "mitmproxy.proxy.mode_servers:AsyncioServerInstance.listen",
        "7670a9038b44",
        "reuse_port replaces it for TCP: it opens one server for a port that is given",
    ),
)
