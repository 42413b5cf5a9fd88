"""Translates the messages of a Chat Completions request to Messages blocks, for display."""

from __future__ import annotations

from typing import Any

import msgspec

from claude_route.dialects import fold
from claude_route.wire import rawjson


def of_message(message: dict[str, Any]) -> list[fold.Block]:
    """A Chat Completions message as Messages blocks."""
    content = [of_part(part) for part in fold.listed(message.get("content"))]
    if message.get("role") == "tool":
        id = message.get("tool_call_id")
        return [{"type": "tool_result", "tool_use_id": id, "content": content}]
    thought = message.get("reasoning_content") or message.get("reasoning")
    blocks: list[fold.Block] = []
    if isinstance(thought, str) and thought:
        blocks.append({"type": "thinking", "thinking": thought})
    blocks += content
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            blocks.append(_call(call))
    return blocks


def of_part(part: fold.Block) -> fold.Block:
    """A part of a message as a Messages block."""
    kind = part.get("type")
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        return {"type": "image", "source": _source(str(url))}
    if kind == "file":
        file = part.get("file")
        data = file.get("file_data") if isinstance(file, dict) else ""
        return {"type": "document", "source": _source(str(data))}
    thinking = part.get("thinking")
    if kind == "thinking" and isinstance(thinking, list):
        texts = [piece.get("text") for piece in thinking if isinstance(piece, dict)]
        return {**part, "thinking": "".join(text for text in texts if isinstance(text, str))}
    return part


def _source(url: str) -> fold.Block:
    if url.startswith("data:"):
        kind, _, data = url[5:].partition(",")
        return {"media_type": kind.partition(";")[0], "data": data}
    return {"url": url}


def _call(call: dict[str, Any]) -> fold.Block:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    block: fold.Block = {"type": "tool_use", "id": call.get("id"), "name": function.get("name")}
    arguments = function.get("arguments")
    try:
        block["input"] = msgspec.json.decode(arguments or "{}")
    except (*rawjson.REFUSALS, TypeError):
        block["partial_json"] = str(arguments)
    return block
