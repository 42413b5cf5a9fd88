"""An upstream that answers with any bytes, and keeps the requests."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

type Answer = Callable[[str], bytes | Iterable[bytes]]
"""The credential that came with a request -> the answer, or its pieces: each is a write of its own."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CREDENTIAL = re.compile(rb"(?i)\r\n(?:authorization: bearer|x-api-key:) *([^\r]+)")


class Request(NamedTuple):
    head: bytes
    body: bytes

    @property
    def credential(self) -> str:
        found = _CREDENTIAL.search(self.head)
        return found[1].decode() if found else ""


class RawUpstream:
    """One request for each connection."""

    def __init__(self) -> None:
        self.answer: Answer = lambda credential: b""
        self.requests: list[Request] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = _read(connection)
            self.requests.append(request)
            answer = self.answer(request.credential)
            for piece in [answer] if isinstance(answer, bytes) else answer:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def close(self) -> None:
        self._listener.close()


def _read(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return Request(head, body)


@contextlib.contextmanager
def running() -> Iterator[RawUpstream]:
    upstream = RawUpstream()
    try:
        yield upstream
    finally:
        upstream.close()
