"""One connection to Redis: commands go out as they come, and each answer is for the oldest that has none.

No task stands between a request and the socket: each turn of the event loop would add to the time until the
request is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Iterable

from claude_route.store import resp


class Pipe(asyncio.Protocol):
    def __init__(
        self, transport: asyncio.WriteTransport, answered: Callable[[resp.Answer], None]
    ) -> None:
        """Takes a connection over on which nothing is under way. `answered` is called with each answer."""
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done with a ConnectionError once the connection is gone."""
        self._transport = transport
        self._answered = answered
        self._reader = resp.Reader()
        transport.set_protocol(self)

    def send(self, commands: Iterable[resp.Command]) -> None:
        self._transport.write(resp.packed(commands))

    def lose(self, why: str) -> None:
        """Give the connection up."""
        if not self.lost.done():
            self.lost.set_exception(ConnectionError(why))
            self.lost.exception()  # whoever cares for it may have gone
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.lost.done():
            return
        try:
            for answer in self._reader.feed(data):
                self._answered(answer)
        except ConnectionError as e:
            self.lose(str(e))

    def connection_lost(self, error: Exception | None) -> None:
        self.lose(str(error or "Connection closed by server."))
