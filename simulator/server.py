"""The simulator as a server: its thread, its connections, and the requests that it has seen."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

from simulator import answers
from simulator import faults
from simulator import http1
from simulator import http2
from simulator import messages
from simulator import provider
from simulator import script
from simulator import signatures
from simulator import threads
from simulator.recorded import Predicate
from simulator.recorded import Recorded

logger = logging.getLogger(__name__)

CONTROL = "/_simulator/"
PATIENCE = 60.0


class Simulator:
    """A provider on loopback, for use in a `with`: it listens at `url` from a thread of its own.

    `role` is whom it plays; below /provider/ it is always a provider that is not Anthropic, another
    one for each path. Not `strict`, it refuses only what it cannot read. With `tls`, it speaks
    HTTP/2 to those who offer it, unless `http2` is false. Without `needs_key`, a provider other than
    Anthropic answers without a credential, as a local server does. With `reasoning_required`, a provider
    refuses an assistant message with tool calls that lost its thinking. Simulators with the same
    `key` accept each other's signatures. Only the last `keep` requests are remembered. Threads end by
    `clock`, in seconds.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        http2: bool = True,
        role: provider.Role = "anthropic",
        strict: bool = True,
        needs_key: bool = True,
        reasoning_required: bool = False,
        key: bytes = b"simulator",
        keep: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._http2 = http2
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-") if tls else None
        self._provider = provider.Provider(
            role=role,
            strict=strict,
            needs_key=needs_key,
            reasoning_required=reasoning_required,
            signer=signatures.Signer(key),
            kept=threads.Threads(clock),
        )
        self._script = script.Script()
        self._recorded: deque[Recorded] = deque(maxlen=keep)
        self._changed = threading.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._accepted = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._failure: OSError | None = None

    @property
    def url(self) -> str:
        return f"http{'s' * self._tls}://{self.host}:{self.port}"

    @property
    def ca(self) -> Path:
        """The certificate that clients have to trust, if it runs with `tls`."""
        assert self._folder is not None
        return Path(self._folder.name) / "ca.pem"

    @property
    def requests(self) -> list[Recorded]:
        """In the order in which they were complete, without those to /_simulator/."""
        with self._changed:
            return list(self._recorded)

    @property
    def refusals(self) -> list[str]:
        """Why a strict provider refused requests."""
        return [recorded.refused for recorded in self.requests if recorded.refused is not None]

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    @property
    def unused(self) -> int:
        """Scripted answers that were not used yet."""
        return len(self._script)

    def script(self, *scripted: answers.Answer) -> None:
        """Answers for the next messages and chat completions, one each, in this order."""
        self._script.append(*scripted)

    def when(self, predicate: Predicate, answer: answers.Answer) -> None:
        """The answer to every request, of any path, for which `predicate` holds; newest first."""
        self._script.when(predicate, answer)

    def default(self, answer: answers.Answer) -> None:
        """The answer if the script has no other."""
        self._script.default = answer

    def clear(self) -> None:
        """Forget the script and the requests."""
        self._script.clear()
        with self._changed:
            self._recorded.clear()

    def wait_for(self, count: int, timeout: float = PATIENCE) -> list[Recorded]:
        """The requests, once there are that many. Raises TimeoutError."""
        return self._wait(lambda: len(self._recorded) >= count, f"{count} requests", timeout)

    def wait_done(self, count: int, timeout: float = PATIENCE) -> list[Recorded]:
        """The requests, once that many are over: answered, cut, or given up by the client."""
        return self._wait(
            lambda: sum(recorded.ended is not None for recorded in self._recorded) >= count,
            f"{count} finished requests",
            timeout,
        )

    def wait_idle(self, timeout: float = PATIENCE) -> None:
        """Waits until no connection is open."""
        self._wait(lambda: not self._connections, "no open connection", timeout)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._thread is not None
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def run(self, stop: asyncio.Event, started: Callable[[], None]) -> None:
        """Serves until `stop` is set. Raises OSError when it cannot listen."""
        loop = asyncio.get_running_loop()
        context = None
        if self._folder is not None:
            # Imported here because it needs a development tool, and demo.py must run without any.
            from simulator import tls

            protocols = ["h2", "http/1.1"] if self._http2 else ["http/1.1"]
            context = tls.context(Path(self._folder.name), protocols)
        server = await loop.create_server(
            self._protocol, self.host, self.port, backlog=1024, ssl=context
        )
        self.port = server.sockets[0].getsockname()[1]
        started()
        await stop.wait()
        server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._folder is not None:
            self._folder.cleanup()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as e:
            self._failure = e
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self.run(self._stop, self._started.set)

    def _protocol(self) -> http1.Watched:
        # Room for large headers, and few pauses while a large body arrives.
        return http1.Watched(asyncio.StreamReader(limit=1 << 20), self._connect)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._accepted += 1
        number = self._accepted
        protocol = writer.transport.get_protocol()
        assert isinstance(protocol, http1.Watched)
        # A write waits until the kernel has the data, because a reset would lose the rest.
        # (With 0, asyncio's TLS pauses and never resumes.)
        writer.transport.set_write_buffer_limits(high=1, low=0)

        async def handle(request: http1.Request, channel: http1.Channel) -> None:
            await self._handle(number, request, channel)

        try:
            encrypted = writer.get_extra_info("ssl_object")
            if encrypted is not None and encrypted.selected_alpn_protocol() == "h2":
                await http2.Connection(reader, writer, handle).serve()
            else:
                await http1.serve(reader, writer, protocol.gone, handle)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()
            with self._changed:
                self._connections.discard(task)
                self._changed.notify_all()

    async def _handle(
        self, connection: int, request: http1.Request, channel: http1.Channel
    ) -> None:
        recorded = Recorded(
            method=request.method,
            path=request.path,
            headers=request.headers,
            body=request.body,
            connection=connection,
            http=request.http,
            time=time.monotonic(),
        )
        if recorded.path.startswith(CONTROL):
            await deliver(self._control(recorded), channel, recorded)
            return
        with self._changed:
            self._recorded.append(recorded)
            self._changed.notify_all()
        try:
            plan = self._provider.plan(recorded, self._script)
        except ValueError as e:
            logger.warning("the script cannot be followed: %s", e)
            plan = faults.plan(500, (), [faults.Event("", str(e).encode())], faults.Delivery())
        try:
            await deliver(plan, channel, recorded)
        except ConnectionError:
            recorded.cancelled = time.monotonic() - recorded.time
        finally:
            with self._changed:
                recorded.ended = time.monotonic() - recorded.time
                self._changed.notify_all()
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", _line(recorded))

    def _control(self, recorded: Recorded) -> faults.Plan:
        """POST script and clear, GET requests: for tests that run in another process."""
        status = 200
        value: dict[str, object] = {"unused": self.unused}
        match recorded.method, recorded.bare_path.removeprefix(CONTROL):
            case "POST", "script":
                try:
                    self._script.load(recorded.json)
                except (ValueError, LookupError, TypeError, AttributeError) as e:
                    status, value = 400, {"error": f"{type(e).__name__}: {e}"}
            case "POST", "clear":
                self.clear()
            case "GET", "requests":
                value = {"requests": [_described(one) for one in self.requests]}
            case _:
                status, value = 404, {"error": "expected POST script, POST clear or GET requests"}
        body = [faults.Event("", messages.encode(value))]
        return faults.plan(status, [provider.JSON], body, faults.Delivery())

    def _wait(self, done: Callable[[], bool], what: str, timeout: float) -> list[Recorded]:
        with self._changed:
            if not self._changed.wait_for(done, timeout):
                raise TimeoutError(f"expected {what}, got {len(self._recorded)} in {timeout:g} s")
            return list(self._recorded)


async def deliver(plan: faults.Plan, channel: http1.Channel, recorded: Recorded) -> None:
    """Sends an answer as planned, faults and all.

    Raises ConnectionError when the client leaves before its end.
    """
    delivery = plan.delivery
    if await channel.left(delivery.head_delay):
        raise ConnectionAbortedError
    match delivery.before_head:
        case "silence":
            await channel.end("hang")
            raise ConnectionAbortedError
        case "reset" | "close" as end:
            await channel.end(end)
            return
    await channel.head(plan)
    recorded.status = plan.status
    for delay, data in plan.pieces:
        if await channel.left(delay):
            raise ConnectionAbortedError
        await channel.write(data)
        recorded.sent += 1
    await channel.end(delivery.end)
    if delivery.end == "hang":
        raise ConnectionAbortedError


def _line(recorded: Recorded) -> str:
    outcome = "left by the client" if recorded.cancelled is not None else recorded.refused or ""
    return (
        f"{recorded.method} {recorded.path} {recorded.model or ''} -> {recorded.status}"
        f" {1000 * (recorded.ended or 0):.0f} ms {outcome}"
    )


def _described(recorded: Recorded) -> dict[str, object]:
    return {
        "method": recorded.method,
        "path": recorded.path,
        "headers": recorded.headers,
        "body": recorded.body.decode("utf-8", "replace"),
        "connection": recorded.connection,
        "http": recorded.http,
        "status": recorded.status,
        "sent": recorded.sent,
        "refused": recorded.refused,
        "cancelled": recorded.cancelled,
        "ended": recorded.ended,
    }
