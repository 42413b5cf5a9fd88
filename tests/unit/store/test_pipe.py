from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable

import pytest

from claude_route.store import pipe
from claude_route.store import resp

type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def connected(serve: Serve) -> tuple[pipe.Pipe, list[resp.Answer], asyncio.Server]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, *server.sockets[0].getsockname()
    )
    answers: list[resp.Answer] = []
    return pipe.Pipe(transport, answers.append), answers, server


async def test_commands_and_answers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = b"*1\r\n$4\r\nPING\r\n" * 2
        assert await reader.readexactly(len(wire)) == wire
        for piece in (b"+PO", b"NG\r\n:", b"1\r\n"):
            writer.write(piece)
            await writer.drain()
        writer.close()

    made, answers, server = await connected(serve)
    made.send([("PING",), ("PING",)])
    with pytest.raises(ConnectionError, match="closed"):
        await made.lost
    assert answers == [b"PONG", 1]
    server.close()


async def test_another_protocol() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    made, answers, server = await connected(serve)
    with pytest.raises(ConnectionError, match="RESP2"):
        await made.lost
    assert answers == []
    made.send([("PING",)])  # whoever hasn't heard of it yet
    server.close()
