"""A client that assembles a streamed message and accepts nothing that Claude Code doesn't."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from claude_route.wire import sse

_DELTAS = {
    ("text_delta", "text"): "text",
    ("thinking_delta", "thinking"): "thinking",
}
"""Types of a delta and its block -> the field that grows."""

STOPS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)
"""https://platform.claude.com/docs/en/api/messages, `stop_reason`"""


def events(parts: Iterable[bytes]) -> list[sse.Event]:
    """The events in a stream; none is cut off."""
    decoder = sse.Decoder()
    decoded = [each for part in parts for each in decoder.feed(part)]
    assert decoder.rest() == b""
    return decoded


def fold(parts: Iterable[bytes]) -> dict[str, Any]:
    """The message in a stream that ends well."""
    message = check(parts)
    assert "error" not in message, message["error"]
    for block in message["content"]:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["input"] or "{}")
    return message


def check(parts: Iterable[bytes]) -> dict[str, Any]:
    """The message in a stream that ends well or with an error, which is then its `error`. The input of a
    call is a string: a model may have been cut off in the middle of it."""
    return _fold(events(parts))


def _fold(decoded: Iterable[sse.Event]) -> dict[str, Any]:
    message: dict[str, Any] = {}
    open_block: dict[str, Any] | None = None
    text = ""
    has_ending = over = is_signed = False
    for each in decoded:
        data = json.loads(each.data)
        assert each.name == data["type"]
        assert not over, f"{each.name} after the end"
        match each.name:
            case "error":
                assert isinstance(data["error"]["message"], str)
                message["error"] = data["error"]
                over = True
            case "ping":
                assert message
            case "message_start":
                assert not message
                message = data["message"]
                assert message["content"] == []
                assert (message["type"], message["role"]) == ("message", "assistant")
                assert isinstance(message["id"], str) and message["id"]
                assert isinstance(message["model"], str)
                _check_usage(message["usage"], "input_tokens", "output_tokens")
            case "content_block_start":
                assert open_block is None
                assert not has_ending
                assert data["index"] == len(message["content"])
                open_block = dict(data["content_block"])
                message["content"].append(open_block)
                text, is_signed = "", False
                if open_block["type"] == "tool_use":
                    assert open_block["input"] == {}, "Claude Code ignores it here"
                assert "stop_reason" not in data
            case "content_block_delta":
                assert open_block is not None
                assert data["index"] == len(message["content"]) - 1
                delta = data["delta"]
                if delta["type"] == "input_json_delta":
                    assert open_block["type"] in ("tool_use", "server_tool_use", "mcp_tool_use")
                    text += delta["partial_json"]
                elif delta["type"] == "citations_delta":
                    assert open_block["type"] == "text"
                elif delta["type"] == "signature_delta":
                    assert open_block["type"] == "thinking"
                    open_block["signature"] = delta["signature"]
                    is_signed = True
                else:
                    assert not is_signed, "the signature comes last"
                    key = _DELTAS[delta["type"], open_block["type"]]
                    open_block[key] += delta[key]
            case "content_block_stop":
                assert open_block is not None
                assert data["index"] == len(message["content"]) - 1
                if open_block["type"] == "tool_use":
                    open_block["input"] = text
                open_block = None
            case "message_delta":
                assert open_block is None
                has_ending = True
                _check_usage(data["usage"], "output_tokens")
                message |= data["delta"] | {"usage": message["usage"] | data["usage"]}
            case "message_stop":
                assert has_ending
                assert message["stop_reason"] in STOPS
                over = True
            case _:
                raise AssertionError(each)
    assert over, "no end"
    return message


def _check_usage(usage: dict[str, Any], *required: str) -> None:
    for key in required:
        assert isinstance(usage[key], int) and not isinstance(usage[key], bool)
