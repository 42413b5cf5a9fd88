"""Ports without a provider: free ones, and one where connecting never succeeds."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

HOST = "127.0.0.1"


def free() -> int:
    """A port that nobody listens on, so that connecting to it is refused."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def unanswered() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails.

    Linux drops a SYN while the queue of connections to accept is full; ours holds one.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((HOST, port))
        yield port
