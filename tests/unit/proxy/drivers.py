"""One client connection whose bytes, upstreams and clock are controlled by the test."""

from __future__ import annotations

import collections
import operator

from mitmproxy import connection
from mitmproxy import options
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import tflow

from claude_route.proxy import alarm
from tests import clocks


class Driver:
    """Does for an HTTP layer what mitmproxy's server does: carries out its commands in order, and
    passes it the resulting events."""

    def __init__(
        self, clock: clocks.Clock, options: options.Options, alpn: bytes = b"http/1.1"
    ) -> None:
        """`alpn` is the client's protocol."""
        self.clock = clock
        self.client = tflow.tclient_conn()
        self.client.state = connection.ConnectionState.OPEN
        self.client.alpn = alpn
        self.connects = True
        """Upstream connections are made at once, else when connect() or refuse() is called."""
        self.queues = False
        """They wait for one of the five that mitmproxy allows."""
        self.opening: list[commands.OpenConnection] = []
        self.upstreams: list[connection.Server] = []
        """Those that were made."""
        self.sent: dict[connection.Connection, bytes] = collections.defaultdict(bytes)
        self.hooks: list[str] = []
        self.wakeups: list[tuple[float, commands.RequestWakeup]] = []
        self._events: collections.deque[events.Event] = collections.deque()
        self.layer = layers.HttpLayer(
            context.Context(self.client, options), layers.HTTPMode.regular
        )
        self._handle(events.Start())

    @property
    def answer(self) -> bytes:
        """What the client has received."""
        return self.sent[self.client]

    @property
    def asked(self) -> list[bytes]:
        """What each upstream connection has received."""
        return [self.sent[upstream] for upstream in self.upstreams]

    def is_open(self, peer: connection.Connection) -> bool:
        return peer.state is connection.ConnectionState.OPEN

    # What others do

    def ask(self, data: bytes) -> None:
        self._handle(events.DataReceived(self.client, data))

    def leave(self) -> None:
        self._close(self.client)

    def say(self, data: bytes, upstream: int = -1) -> None:
        self._handle(events.DataReceived(self.upstreams[upstream], data))

    def hang_up(self, upstream: int = -1) -> None:
        self._close(self.upstreams[upstream])

    def connect(self) -> None:
        self._connected(self.opening.pop(0))
        self._run()

    def refuse(self, why: str = "refused") -> None:
        self._refused(self.opening.pop(0), why)
        self._run()

    def wait(self, seconds: float) -> None:
        """Advance the clock; wakeups fire when they are due."""
        until = self.clock.now + seconds
        while self.wakeups:
            due, wakeup = min(self.wakeups, key=operator.itemgetter(0))
            if due > until:
                break
            self.wakeups.remove((due, wakeup))
            self.clock.now = max(due, self.clock.now)
            self._handle(events.Wakeup(wakeup))
        self.clock.now = until

    # What mitmproxy does

    def _handle(self, event: events.Event) -> None:
        self._events.append(event)
        self._run()

    def _run(self) -> None:
        while self._events:
            for command in self.layer.handle_event(self._events.popleft()):
                self._carry_out(command)

    def _carry_out(self, command: commands.Command) -> None:
        if isinstance(command, commands.OpenConnection):
            if not self.queues:
                command.connection.timestamp_start = self.clock.now
            if self.connects:
                self._connected(command)
            else:
                self.opening.append(command)
        elif isinstance(command, commands.RequestWakeup):
            self.wakeups.append((self.clock.now + command.delay, command))
        elif isinstance(command, commands.SendData):
            self.sent[command.connection] += command.data
        elif isinstance(command, commands.CloseConnection):
            self._closed(command.connection)
        elif isinstance(command, commands.StartHook):
            self.hooks.append(command.name)
            if command.blocking:
                self._events.append(events.HookCompleted(command))
        else:
            assert isinstance(command, commands.Log)

    def _connected(self, command: commands.OpenConnection) -> None:
        command.connection.state = connection.ConnectionState.OPEN
        assert isinstance(command.connection, connection.Server)
        self.upstreams.append(command.connection)
        self._events.append(events.OpenConnectionCompleted(command, None))

    def _refused(self, command: commands.OpenConnection, why: str) -> None:
        command.connection.error = why
        self._events.append(events.OpenConnectionCompleted(command, why))

    def _closed(self, peer: connection.Connection) -> None:
        """By us."""
        for command in self.opening:
            if command.connection is peer:
                self.opening.remove(command)
                self._refused(command, "connection cancelled")
                return
        if peer.state is not connection.ConnectionState.CLOSED:
            peer.state = connection.ConnectionState.CLOSED
            self._events.append(events.ConnectionClosed(peer))

    def _close(self, peer: connection.Connection) -> None:
        """By the other side."""
        peer.state &= ~connection.ConnectionState.CAN_READ
        self._handle(events.ConnectionClosed(peer))


def system(clock: clocks.Clock) -> alarm.Clock:
    """For both kinds of time."""
    return alarm.Clock(clock, clock)
