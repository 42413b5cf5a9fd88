"""Helpers for tests of the Chat Completions translation: requests, streams, and a strict client."""

from __future__ import annotations

import itertools
import json
from typing import Any

from claude_route import targets
from claude_route.dialects.chat import dialect
from claude_route.dialects.messages import requests
from claude_route.wire import sse
from tests import strict_client

PNG = "iVBORw0KGgo="
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def target(
    model: str = "some-model",
    *,
    name: str = "acme",
    host: str = "api.acme.example",
    requests: Any = "own",
    responses: Any = "tag",
    reasoning: Any = None,
    drop: tuple[str, ...] = (),
    set: dict[str, Any] | None = None,
) -> targets.Target:
    provider = targets.Provider(
        name=name,
        base_url=f"https://{host}/v1",
        scheme="https",
        host=host,
        port=443,
        path="/v1",
        api="openai",
        auth="bearer",
        api_key="secret-key",
        missing=(),
        thinking=targets.Thinking(requests, responses),
        reasoning=reasoning,
        headers={},
        drop=drop,
        set=set or {},
        count_tokens="estimate",
        connect_timeout=10,
        first_byte_timeout=120,
        idle_timeout=300,
    )
    return targets.Target(provider, model)


def call(body: dict[str, Any] | bytes, to: targets.Target | None = None) -> dialect.Call:
    """A call whose ids are 1, 2, 3 and so on."""
    if isinstance(body, dict):
        body = json.dumps({"model": "claude-opus", "messages": [], **body}).encode()
    ids = map(str, itertools.count(1))
    return dialect.call(requests.read(body), to or target(), ids.__next__)


def sent(body: dict[str, Any], to: targets.Target | None = None) -> dict[str, Any]:
    """The request that the provider gets."""
    translated: dict[str, Any] = json.loads(call(body, to).body)
    return translated


def conversation(*turns: tuple[str, Any]) -> list[dict[str, Any]]:
    """The messages that the provider gets for these, given as role and content."""
    turn_messages = [{"role": role, "content": content} for role, content in turns]
    found: list[dict[str, Any]] = sent({"messages": turn_messages})["messages"]
    return found


def use(id: str, name: str = "Read", **input: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def result(id: str, content: Any = "done", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def called(*ids: str, content: str | None = None, **more: Any) -> dict[str, Any]:
    """An assistant's message that calls Read."""
    function = {"name": "Read", "arguments": "{}"}
    calls = [{"id": id, "type": "function", "function": function} for id in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls, **more}


def tool_message(id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def event(data: Any) -> sse.Event:
    if isinstance(data, sse.Event):
        return data
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return sse.Event("", raw, sse.encode("", raw))


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def tool(index: int | None, id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """An element of tool_calls; None leaves a field out."""
    fields = {"index": index, "id": id, "type": "function"}
    function = {"name": name, "arguments": arguments}
    kept: dict[str, Any] = {key: value for key, value in fields.items() if value is not None}
    return kept | {"function": {k: v for k, v in function.items() if v is not None}}


DONE = b"[DONE]"
USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def streamed(
    *chunks: Any,
    to: targets.Target | None = None,
    body: dict[str, Any] | None = None,
    done: bool = True,
) -> dict[str, Any]:
    """The message that a client makes of a stream of chunks, to which [DONE] is added by default."""
    stream = call(body or {}, to).stream()
    wire = [*chunks, DONE] if done else chunks
    return strict_client.fold([stream.feed(event(each)) for each in wire] + [stream.end()])


def answered(
    message: dict[str, Any],
    to: targets.Target | None = None,
    finish: str | None = "stop",
    **fields: Any,
) -> dict[str, Any]:
    """The message that a client gets for a whole answer."""
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], **fields}
    found: dict[str, Any] = json.loads(call({}, to).answer(json.dumps(body).encode()))
    return found
