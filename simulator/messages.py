"""Anthropic's Messages API: answers as JSON and as events, errors, and what a request asks for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import msgspec

from simulator import answers
from simulator import conversation
from simulator import faults
from simulator import safeguards
from simulator import signatures

encode = msgspec.json.encode
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2})(?!\d))?")
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_id(prefix: str) -> str:
    """A unique id in Anthropic's form, such as msg_01…"""
    return f"{prefix}_01{''.join(_ALPHABET[byte % 58] for byte in os.urandom(22))}"


def version(model: str) -> tuple[int, int] | None:
    """(4, 5) of claude-haiku-4-5-20251001; None if the name has none."""
    match = _VERSION.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


def tools(body: Mapping[str, Any]) -> frozenset[str]:
    offered = body.get("tools") or ()
    return frozenset(str(tool.get("name")) for tool in offered)


def turns(body: Mapping[str, Any]) -> list[conversation.Turn]:
    messages = body.get("messages") or ()
    return conversation.merged(
        _turn(message) for message in messages if message.get("role") in ("user", "assistant")
    )


def thinks(body: Mapping[str, Any]) -> bool:
    return (body.get("thinking") or {}).get("type") in ("adaptive", "enabled")


def shown(body: Mapping[str, Any]) -> bool:
    """Whether thinking is shown to the client, or only its signature."""
    display = (body.get("thinking") or {}).get("display")
    omits = (version(str(body.get("model"))) or (0, 0)) >= (4, 7)
    return display != "omitted" if display else not omits


def estimate(size: int) -> int:
    """Tokens in that many bytes, by Claude Code's own rule of thumb."""
    return max(1, int(size / 3.5))


def message(
    body: Mapping[str, Any], size: int, blocks: list[dict[str, Any]], answer: answers.Answer
) -> dict[str, Any]:
    """The whole answer as JSON. `size` is the request's length in bytes."""
    calls = any(block["type"] == "tool_use" for block in blocks)
    return {
        **safeguards.results(body, blocks),
        "model": answer.model or body.get("model"),
        "id": answer.id or new_id("msg"),
        "type": "message",
        "role": "assistant",
        "content": blocks,
        "stop_reason": answer.stop_reason or ("tool_use" if calls else "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": estimate(size),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": estimate(len(encode(blocks))),
            "service_tier": "standard",
            **answer.usage,
        },
    }


def events(message: dict[str, Any], delta_size: int) -> Iterator[faults.Event]:
    """The answer as a stream, `delta_size` characters in each delta."""
    usage = message["usage"]
    verdicts = {name: value for name, value in message.items() if name == "safeguard_results"}
    start = {
        **{name: value for name, value in message.items() if name not in verdicts},
        "content": [],
        "stop_reason": None,
        "usage": {**usage, "output_tokens": min(1, usage["output_tokens"])},
    }
    yield _event("message_start", message=start)
    for index, block in enumerate(message["content"]):
        yield _event("content_block_start", index=index, content_block=_opening(block))
        if index == 0:
            yield _event("ping")
        for delta in _deltas(block, delta_size):
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event(
        "message_delta",
        delta={
            "stop_reason": message["stop_reason"],
            "stop_sequence": message["stop_sequence"],
            **verdicts,
        },
        usage=usage,
    )
    yield _event("message_stop")


def error(scripted: answers.Answer, request_id: str) -> dict[str, Any]:
    problem: dict[str, Any] = {
        "type": answers.error_type(scripted),
        "message": answers.error_message(scripted),
    }
    if scripted.details is not None:
        problem["details"] = scripted.details
    return {"type": "error", "error": problem, "request_id": request_id}


def error_event(scripted: answers.Answer, request_id: str) -> faults.Event:
    problem = encode(error(scripted, request_id))
    return faults.Event("error", b"event: error\ndata: " + problem + b"\n\n")


def _turn(message: Mapping[str, Any]) -> conversation.Turn:
    turn = conversation.Turn(message.get("role") == "user")
    content = message.get("content")
    if isinstance(content, str):
        turn.texts.append(content)
        return turn
    for block in content or ():
        match block.get("type"):
            case "text":
                turn.texts.append(block.get("text") or "")
            case "image":
                turn.images.append(_image(block))
            case "tool_use":
                turn.calls += 1
            case "tool_result":
                turn.results.append(_result(block.get("content")))
    return turn


def _result(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = []
    for block in content if isinstance(content, list) else ():
        kind = block.get("type")
        parts.append(_image(block) if kind == "image" else block.get("text") or f"[{kind}]")
    return "\n".join(parts)


def _image(block: Mapping[str, Any]) -> str:
    source = block.get("source")
    if not isinstance(source, dict):
        return "[image]"
    data = source.get("data") or ""
    return f"[image {source.get('media_type', source.get('type'))}, {len(data) * 3 // 4} bytes]"


def signed(
    content: Sequence[answers.Block],
    signer: signatures.Signer,
    show: bool,
    bond: signatures.Bond = signatures.UNBOUND,
) -> list[dict[str, Any]]:
    """Blocks as JSON, with thinking signed by Anthropic."""
    message = os.urandom(8)
    total = sum(isinstance(b, answers.Thinking | answers.RedactedThinking) for b in content)
    place = 0
    blocks: list[dict[str, Any]] = []
    for block in content:
        match block:
            case answers.Thinking(thinking, signature):
                text = thinking if show else ""
                if signature is None:
                    seen = text if show else None
                    signature = signer.sign(
                        seen, message=message, place=place, total=total, bond=bond
                    )
                place += 1
                blocks.append({"type": "thinking", "thinking": text, "signature": signature})
            case answers.RedactedThinking(data):
                if data is None:
                    data = signer.redact(message=message, place=place, total=total, bond=bond)
                place += 1
                blocks.append({"type": "redacted_thinking", "data": data})
            case _:
                blocks.append(plain(block))
    return blocks


def plain(block: answers.Block) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(block)
    if plain["type"] == "tool_use" and not plain["id"]:
        plain["id"] = new_id("toolu")
    return plain


def _opening(block: Mapping[str, Any]) -> dict[str, Any]:
    """The block as content_block_start has it: empty."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "tool_use":
            return {**block, "input": {}}
        case _:
            return dict(block)


def _deltas(block: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "text":
            for part in pieces(block["text"], size):
                yield {"type": "text_delta", "text": part}
        case "thinking":
            for part in pieces(block["thinking"], size):
                yield {"type": "thinking_delta", "thinking": part}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            # Anthropic opens with an empty part, and sends no more for an empty input.
            yield {"type": "input_json_delta", "partial_json": ""}
            if block["input"]:
                for part in pieces(encode(block["input"]).decode(), size):
                    yield {"type": "input_json_delta", "partial_json": part}


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def _event(name: str, **fields: Any) -> faults.Event:
    data = encode({"type": name, **fields})
    # Anthropic pads events with spaces before the last brace, so that their sizes reveal less.
    padding = b" " * (-len(data) % 8)
    wire = b"event: %b\ndata: %b%b}\n\n" % (name.encode(), data[:-1], padding)
    return faults.Event(name, wire)
