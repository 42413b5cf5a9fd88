"""Commands as they go to Redis: https://redis.io/docs/latest/develop/reference/protocol-spec/

The library's own way takes three times as long, which each request of a client with limits would wait for.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence

type Argument = str | int | float | bytes
type Command = Sequence[Argument]


def packed(commands: Iterable[Command]) -> bytes:
    pieces: list[bytes] = []
    for command in commands:
        pieces.append(b"*%d\r\n" % len(command))
        for argument in command:
            text = argument if isinstance(argument, bytes) else str(argument).encode()
            pieces.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(pieces)
