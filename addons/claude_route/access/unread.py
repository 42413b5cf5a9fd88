"""What passes unread is not kept: messages of TCP, UDP and WebSocket flows lose their content.

It may hold credentials, as the bodies of requests that pass through may, which are not kept either.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy import tcp
from mitmproxy import udp
from mitmproxy import websocket


class Unread:
    """In place of each message the flow keeps its size. The layer sends the message that it made."""

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        last = flow.messages[-1]
        flow.messages[-1] = tcp.TCPMessage(last.from_client, size(last.content), last.timestamp)

    def udp_message(self, flow: udp.UDPFlow) -> None:
        last = flow.messages[-1]
        flow.messages[-1] = udp.UDPMessage(last.from_client, size(last.content), last.timestamp)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        assert flow.websocket
        last = flow.websocket.messages[-1]
        flow.websocket.messages[-1] = websocket.WebSocketMessage(
            last.type, last.from_client, size(last.content), last.timestamp, injected=last.injected
        )


def size(content: bytes) -> bytes:
    return b"[%d bytes, which the proxy does not keep]" % len(content)
