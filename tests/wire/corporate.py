"""A company's HTTP proxy, on the way to a provider."""

from __future__ import annotations

import base64
import contextlib
import re
import select
import socket
import ssl
from collections.abc import Iterable

from tests import listening

UNREACHABLE = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"


class Corporate(listening.Listener):
    """An HTTP proxy that wants a password, and leads wherever it is asked to."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str]] = []
        """What each connection asked for first, and as whom."""
        super().__init__(self._lead, tls)

    def _lead(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536) or b"\r\n\r\n"
        line = head.partition(b"\r\n")[0].decode()
        login = re.search(rb"(?i)proxy-authorization: basic (\S+)", head)
        self.requests.append((line, base64.b64decode(login[1]).decode() if login else ""))
        authority = line.split()[1].removeprefix("http://").partition("/")[0]
        try:
            there = socket.create_connection(("127.0.0.1", int(authority.rpartition(":")[2])))
        except OSError:
            client.sendall(UNREACHABLE)
            return
        with there:
            if line.startswith("CONNECT"):
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                head = head.replace(b"http://" + authority.encode(), b"", 1)
                there.sendall(re.sub(rb"(?i)proxy-authorization: .*\r\n", b"", head))
            relay(client, there)


def relay(one: socket.socket, other: socket.socket) -> None:
    """In one thread: a connection with TLS is not for two."""
    ways = {one: other, other: one}
    with contextlib.suppress(OSError):
        while ways:
            for source in readable(ways):
                data = b""
                with contextlib.suppress(OSError):  # a reset too is the end for the other side
                    data = source.recv(65536)
                target = ways[source]
                if data:
                    target.sendall(data)
                else:
                    del ways[source]
                    target.shutdown(socket.SHUT_WR)


def readable(sources: Iterable[socket.socket]) -> list[socket.socket]:
    """Those that have something to be read, TLS's own buffers included."""
    waiting: list[socket.socket] = [
        each for each in sources if isinstance(each, ssl.SSLSocket) and each.pending()
    ]
    return waiting or select.select(list(sources), [], [])[0]
