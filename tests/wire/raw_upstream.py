"""An upstream that answers with any bytes, and keeps the requests."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from tests import listening

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


class RawUpstream(listening.Listener):
    """One request for each connection."""

    def __init__(self) -> None:
        self.answer: Answer = lambda credential: b""
        self.requests: list[Request] = []
        super().__init__(self._respond)

    def _respond(self, connection: socket.socket) -> None:
        request = _read(connection)
        self.requests.append(request)
        answer = self.answer(request.credential)
        for piece in [answer] if isinstance(answer, bytes) else answer:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def _read(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += listening.more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    while length and len(body) < int(length[1]):
        body += listening.more(connection)
    return Request(head, body)


@contextlib.contextmanager
def running() -> Iterator[RawUpstream]:
    upstream = RawUpstream()
    try:
        yield upstream
    finally:
        upstream.close()
