"""Flows and messages as people may have them: without the secrets that this process knows.

A flow itself stays as it is: it can be replayed, and its body is what the client sent. Copies are made
only where there is something to hide.
"""

from __future__ import annotations

from typing import Any

from mitmproxy import flow
from mitmproxy import http
from mitmproxy import tcp
from mitmproxy import udp
from mitmproxy import websocket

from claude_route import responses
from claude_route.access import live_secrets
from claude_route.wire import content_encoding

type WithContent = tcp.TCPMessage | udp.UDPMessage | websocket.WebSocketMessage


def hidden[F: flow.Flow](shown: F) -> F:
    """The flow, or a copy without secrets. A copy is of the same type, and has the same id."""
    state = shown.get_state()
    found = _hidden(state)
    if found is state:
        return shown
    copy = flow.Flow.from_state(found)
    assert isinstance(copy, type(shown))
    return copy


def hidden_message[M: http.Message | WithContent | object](message: M) -> M:
    """The message, or a copy without secrets."""
    if not isinstance(
        message, http.Message | tcp.TCPMessage | udp.UDPMessage | websocket.WebSocketMessage
    ):
        return message
    state = message.get_state()
    found = _hidden(state)
    return message if found is state else type(message).from_state(found)


def _hidden(value: Any) -> Any:
    """A state without secrets; the same object if it has none."""
    match value:
        case str():
            return live_secrets.hide_text(value)
        case bytes():
            return live_secrets.hide(value)
        case dict():
            changed = {key: _hidden(part) for key, part in value.items()}
            if "headers" in value and isinstance(value.get("content"), bytes):
                changed = _decoded(value, changed)
            is_same = all(changed[key] is part for key, part in value.items())
            return value if is_same else changed
        case list() | tuple():
            parts = type(value)(_hidden(part) for part in value)
            return value if all(map(_is, parts, value)) else parts
    return value


def _is(one: Any, other: Any) -> bool:
    return one is other


def _decoded(message: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """A message's state, changed as it has to be. Secrets don't show in a body that is compressed: it is
    stored as it would be without compression if it has any."""
    body, fields = message["content"], changed["headers"]
    for name, value in message["headers"]:
        if name.lower() == b"content-encoding":
            try:
                plain = content_encoding.whole(body, value.decode("latin-1"), responses.MAX_BODY)
            except (OverflowError, ValueError):
                return changed
            if (found := live_secrets.hide(plain)) is plain:
                return changed
            changed["content"] = found
            fields = [field for field in fields if field[0].lower() != b"content-encoding"]
    if changed["content"] is not body:
        length = b"%d" % len(changed["content"])
        changed["headers"] = tuple(
            (name, length if name.lower() == b"content-length" else value) for name, value in fields
        )
    return changed
