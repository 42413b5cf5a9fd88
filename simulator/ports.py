"""Ports without a provider: free ones, and one where connecting never succeeds."""

from __future__ import annotations

import collections
import contextlib
import socket
from collections.abc import Iterator

HOST = "127.0.0.1"

_HELD: collections.deque[socket.socket] = collections.deque()
MOST_HELD = 200
"""By then, whoever asked for the first of them listens there."""


def free() -> int:
    """A port that nobody listens on, so that connecting to it is refused.

    The system gives it to nobody else until somebody listens there who reuses addresses, as servers do: it is
    bound by a socket that doesn't listen.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HOST, 0))
    _HELD.append(held)
    if len(_HELD) > MOST_HELD:
        _HELD.popleft().close()
    port: int = held.getsockname()[1]
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
