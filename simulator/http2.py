"""HTTP/2: the same requests and planned answers, many on one connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from simulator import faults
from simulator import http1

WINDOW = 1 << 24


class Connection:
    """One client's connection; each of its streams is answered by a task of its own."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: http1.Handler,
    ) -> None:
        self._reader = reader
        self._handler = handler
        self.writer = writer
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self._arriving: dict[int, tuple[list[tuple[str, str]], bytearray]] = {}
        self._channels: dict[int, _Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
        self.h2.increment_flow_control_window(WINDOW)
        try:
            await self.flush()
            while data := await self._reader.read(1 << 16):
                for event in self.h2.receive_data(data):
                    self._receive(event)
                await self.flush()
        except (ConnectionError, h2.exceptions.ProtocolError):
            pass
        finally:
            for channel in self._channels.values():
                channel.leave()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def flush(self) -> None:
        """Raises ConnectionError."""
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    def _receive(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                headers = [(str(name), str(value)) for name, value in event.headers]
                self._arriving[event.stream_id] = (headers, bytearray())
            case h2.events.DataReceived():
                self._arriving[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self._answer(event.stream_id)
            case h2.events.StreamReset():
                self._arriving.pop(event.stream_id, None)
                if channel := self._channels.get(event.stream_id):
                    channel.leave()
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                for channel in self._channels.values():
                    channel.room.set()

    def _answer(self, stream_id: int) -> None:
        headers, body = self._arriving.pop(stream_id)
        pseudo = dict(headers)
        kept = [line for line in headers if line[0] == ":authority" or line[0][0] != ":"]
        request = http1.Request(pseudo[":method"], pseudo[":path"], kept, bytes(body), "2")
        channel = self._channels[stream_id] = _Channel(self, stream_id)
        task = asyncio.create_task(self._handle(request, channel, stream_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, request: http1.Request, channel: http1.Channel, stream_id: int) -> None:
        try:
            await self._handler(request, channel)
        finally:
            del self._channels[stream_id]


class _Channel:
    def __init__(self, connection: Connection, stream_id: int) -> None:
        self._connection = connection
        self._id = stream_id
        self.gone = asyncio.Event()
        self.room = asyncio.Event()
        """Set when there may be more room for data than there was."""

    def leave(self) -> None:
        """The client has given up this stream."""
        self.gone.set()
        self.room.set()

    async def left(self, delay: float) -> bool:
        return await http1.waited(self.gone, delay)

    async def head(self, plan: faults.Plan) -> None:
        headers = [(":status", str(plan.status))]
        headers += ((name.lower(), value) for name, value in plan.headers)
        if http1.framing(plan) == "length":
            headers.append(("content-length", str(plan.length)))
        with self._alive() as protocol:
            protocol.send_headers(self._id, headers)
        await self._connection.flush()

    async def write(self, data: bytes) -> None:
        while data:
            with self._alive() as protocol:
                room = protocol.local_flow_control_window(self._id)
                size = min(room, protocol.max_outbound_frame_size)
                if size > 0:
                    protocol.send_data(self._id, data[:size])
                    data = data[size:]
            if size > 0:
                await self._connection.flush()
            else:
                self.room.clear()
                await self.room.wait()

    async def end(self, end: faults.End) -> None:
        match end:
            case "clean":
                with self._alive() as protocol:
                    protocol.end_stream(self._id)
                await self._connection.flush()
            case "close":
                self._connection.writer.close()
            case "reset":
                with self._alive() as protocol:
                    protocol.reset_stream(self._id, h2.errors.ErrorCodes.INTERNAL_ERROR)
                await self._connection.flush()
            case "hang":
                await self.gone.wait()

    @contextlib.contextmanager
    def _alive(self) -> Iterator[h2.connection.H2Connection]:
        """Raises ConnectionError when the client has given up the stream or the connection."""
        if self.gone.is_set():
            raise ConnectionAbortedError
        try:
            yield self._connection.h2
        except h2.exceptions.ProtocolError as e:
            raise ConnectionAbortedError from e
