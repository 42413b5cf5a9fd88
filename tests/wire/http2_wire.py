"""HTTP/2 as an attacker writes it: frame by frame, whatever the other end thinks of it."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Sequence

from tests.wire import proxies

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)
END_STREAM, END_HEADERS = 1, 4

CALM_DOWN = 11
PROTOCOL_ERROR = 1
"""ENHANCE_YOUR_CALM."""

type Field = tuple[str, str]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


def literal(text: str) -> bytes:
    raw = text.encode("latin-1")
    assert len(raw) < 127
    return bytes((len(raw),)) + raw


def fields(*named: Field) -> bytes:
    """A field section without compression (RFC 7541, 6.2.2)."""
    return b"".join(b"\x00" + literal(name) + literal(value) for name, value in named)


def request(path: str, *more: Field, method: str = "POST", host: str = "127.0.0.1") -> bytes:
    return fields(
        (":method", method), (":scheme", "https"), (":authority", host), (":path", path), *more
    )


def opened(raw: socket.socket, host: str = "127.0.0.1") -> ssl.SSLSocket:
    """TLS over this connection, with HTTP/2 in it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    made = context.wrap_socket(raw, server_hostname=host)
    assert made.selected_alpn_protocol() == "h2"
    made.settimeout(proxies.PATIENCE)
    return made


def connect(port: int) -> ssl.SSLSocket:
    return opened(socket.create_connection(("127.0.0.1", port), timeout=proxies.PATIENCE))


def replies(wire: ssl.SSLSocket) -> list[tuple[int, int, int, bytes]]:
    """Kind, flags, stream and payload of all frames until the other end hangs up."""
    data = b""
    try:
        while piece := wire.recv(1 << 16):
            data += piece
    except ConnectionError:
        pass
    return parsed(data)


def parsed(data: bytes) -> list[tuple[int, int, int, bytes]]:
    frames = []
    while len(data) >= 9:
        length = int.from_bytes(data[:3])
        kind, flags, stream = struct.unpack(">BBI", data[3:9])
        frames.append((kind, flags, stream, data[9 : 9 + length]))
        data = data[9 + length :]
    return frames


def code(frames: Sequence[tuple[int, int, int, bytes]]) -> int | None:
    """The error of the frame that ended a connection."""
    ends = [payload for kind, _, _, payload in frames if kind == GOAWAY]
    return struct.unpack(">I", ends[-1][4:8])[0] if ends else None
