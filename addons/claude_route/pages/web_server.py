"""mitmweb's server, within limits: what clients may send before they are logged in, and for how long."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from tornado import http1connection
from tornado import httpserver
from tornado import httputil
from tornado import iostream
from tornado import web

from claude_route import responses
from claude_route.access import entrances
from claude_route.access import limits
from claude_route.access import places
from claude_route.pages import web_login

LOGIN_BODY = 64 * 1024
"""Bytes of a body that is taken from anybody: the login is a form."""

HEAD_TIME = 60
"""Seconds for a request's headers, of which a connection may wait for the first byte as well."""

BODY_TIME = 30.0
"""Seconds for a body of somebody who isn't logged in."""

type Logins = Callable[[httputil.HTTPHeaders], bool]


def server(entry: entrances.Entrance) -> type[httpserver.HTTPServer]:
    """The class of mitmweb's server. Its connections have their places with those of the listeners."""

    class Server(BoundedServer):
        def initialize(  # type: ignore[override]
            self, app: Any, *args: Any, **options: Any
        ) -> None:
            self.entry, self.app = entry, app
            self.places = {}
            options.setdefault("max_header_size", limits.Limits.head_size)
            # tornado gives each head this long, the first one too, and an hour if it isn't set.
            options.setdefault("idle_connection_timeout", HEAD_TIME)
            login = web_login.Login(app.settings["is_valid_password"], entry.hit)
            app.settings["is_valid_password"] = login.is_valid
            super().initialize(app, *args, **options)

    return Server


class BoundedServer(httpserver.HTTPServer):
    entry: entrances.Entrance
    app: web.Application
    places: dict[iostream.IOStream, places.Place]

    def handle_stream(self, stream: iostream.IOStream, address: tuple[Any, ...]) -> None:
        place = self.entry.enter(str(address[0]), stream.socket.fileno(), stream.close)
        if not isinstance(place, places.Place):
            stream.close()
            return
        close_fd, table = stream.close_fd, self.entry.table

        def close() -> None:
            close_fd()
            table.leave(place)
            self.places.pop(stream, None)

        # tornado calls it once, whoever closes the stream; its own callback is for the requests.
        vars(stream)["close_fd"] = close
        self.places[stream] = place
        super().handle_stream(stream, address)

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        assert isinstance(request_conn, http1connection.HTTP1Connection)
        delegate = super().start_request(server_conn, request_conn)
        place = self.places.get(request_conn.stream)
        return Request(delegate, request_conn, place, self._is_login, self.entry.hit)

    def _is_login(self, headers: httputil.HTTPHeaders) -> bool:
        return is_login(self.app.settings, headers)


class Request(httputil.HTTPMessageDelegate):
    """Stands before the delegate of one request, and refuses a body that nobody knows the sender of."""

    def __init__(
        self,
        delegate: httputil.HTTPMessageDelegate,
        connection: http1connection.HTTP1Connection,
        place: places.Place | None,
        is_login: Logins,
        hit: Callable[[str, str], None],
    ) -> None:
        self._delegate = delegate
        self._connection = connection
        self._place = place
        self._is_login = is_login
        self._hit = hit
        self._left = LOGIN_BODY
        self._is_refused = False
        self._is_known = True
        self._turn("idle")

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> Awaitable[None] | None:
        self._turn("busy")
        if "Content-Length" in headers or "Transfer-Encoding" in headers:
            self._is_known = self._is_login(headers)
            if not self._is_known:
                self._connection.set_body_timeout(BODY_TIME)
                length = headers.get("Content-Length", "0")
                if length.isascii() and length.isdigit() and int(length[:20]) > LOGIN_BODY:
                    self._refuse()
                    return None
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if not self._is_known:
            self._left -= len(chunk)
            if self._left < 0 and not self._is_refused:
                self._refuse()
                self._delegate.on_connection_close()
        return None if self._is_refused else self._delegate.data_received(chunk)

    def finish(self) -> None:
        if self._is_refused:
            self._connection.finish()
        else:
            self._delegate.finish()

    def on_connection_close(self) -> None:
        if not self._is_refused:
            self._delegate.on_connection_close()

    def _refuse(self) -> None:
        """Answer at once, and drop what comes: a client that still sends would lose the answer if the
        connection were closed."""
        self._is_refused = True
        self._hit("web_body", "Refused a body that was sent to mitmweb without a login")
        answer = responses.error(413, "mitmweb takes no such body without a login")
        assert answer.raw_content is not None
        headers = httputil.HTTPHeaders(dict(answer.headers.items()))
        headers["Connection"] = "close"
        line = httputil.ResponseStartLine("HTTP/1.1", 413, "Request Entity Too Large")
        self._connection.write_headers(line, headers, answer.raw_content)

    def _turn(self, phase: places.Phase) -> None:
        if self._place:
            self._place.turn(phase, time.monotonic())


def is_login(settings: Mapping[str, Any], headers: httputil.HTTPHeaders) -> bool:
    """Whether a request holds the cookie of a login, or the password. Not in its query: such a request has no
    large body."""
    scheme, _, password = headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer" and password and settings["is_valid_password"](password):
        return True
    name = settings["auth_cookie_name"]()
    for cookie in headers.get_list("Cookie"):
        value = httputil.parse_cookie(cookie).get(name)
        if value and web.decode_signed_value(settings["cookie_secret"], name, value, min_version=2):
            return True
    return False
