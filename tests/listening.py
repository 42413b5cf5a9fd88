"""A server for tests that says whatever a function says, in a thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self


def more(connection: socket.socket, size: int = 65536) -> bytes:
    """What comes next, where there has to be something. A server that goes on without it would go on forever.

    Raises ConnectionError if the other side has closed the connection.
    """
    if not (data := connection.recv(size)):
        raise ConnectionError("closed in the middle of a message")
    return data


class Listener:
    """Listens on loopback until it is closed, which ends its connections too.

    `serve` gets each connection, which is closed after it. It may raise OSError, as it does where
    the other side has gone.
    """

    def __init__(
        self, serve: Callable[[socket.socket], object], tls: ssl.SSLContext | None = None
    ) -> None:
        self.connections = 0
        self._serve = serve
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self._open.add(connection)
                try:
                    self._serve(connection)
                finally:
                    self._open.remove(connection)

    def close(self) -> None:
        # A thread that waits in accept would keep a listener open that is only closed.
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
