"""Requests of tests to the simulator, and readers of its answers."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from simulator import Simulator
from tests.wire import proxies

OLD = "claude-haiku-4-5-20251001"
"""A model that thinks only within a budget."""

KEY = {"x-api-key": "sk-ant-api03-x", "anthropic-version": "2023-06-01"}
BETAS = {"anthropic-beta": "context-management-2025-06-27,per-turn-control-2026-07-01"}
ZAI = {"authorization": "Bearer zai-key"}
BASH = {"name": "Bash", "description": "", "input_schema": {"type": "object"}}
READ = {**BASH, "name": "Read"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
CLEAR = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
POINT = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}


def ask(prompt: str = "hello", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": "claude-opus-5-5", "max_tokens": 100, "messages": messages, **fields}


def post(
    sim: Simulator, body: Any, headers: dict[str, str] = KEY, path: str = "/v1/messages"
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(sim.host, sim.port, timeout=proxies.PATIENCE)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, headers)
    response = connection.getresponse()
    try:
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def message(sim: Simulator, body: Any, headers: dict[str, str] = KEY) -> dict[str, Any]:
    status, _, content = post(sim, body, headers)
    assert status == 200, content
    whole: dict[str, Any] = json.loads(content)
    return whole


def events(wire: bytes) -> list[dict[str, Any]]:
    blocks = wire.replace(b"\r\n", b"\n").split(b"\n\n")
    assert blocks.pop() == b""
    found = []
    for block in blocks:
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        found.append(event)
    return found


def stream(sim: Simulator, body: Any, headers: dict[str, str] = KEY) -> list[dict[str, Any]]:
    status, head, wire = post(sim, {**body, "stream": True}, headers)
    assert status == 200, wire
    assert head["content-type"].startswith("text/event-stream")
    return events(wire)


def fold(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole message in a stream."""
    whole: dict[str, Any] = {}
    for event in found:
        match event["type"]:
            case "message_start":
                whole = event["message"]
            case "content_block_start":
                assert event["index"] == len(whole["content"])
                whole["content"].append({**event["content_block"], "json": ""})
            case "content_block_delta":
                block = whole["content"][event["index"]]
                delta = event["delta"]
                kind = delta.pop("type").removesuffix("_delta")
                (value,) = delta.values()
                block["json" if kind == "input_json" else kind] += value
            case "content_block_stop":
                block = whole["content"][event["index"]]
                partial = block.pop("json")
                if block["type"] == "tool_use":
                    block["input"] = json.loads(partial or "{}")
            case "message_delta":
                whole.update(event["delta"], usage=event["usage"])
    assert found[-1]["type"] == "message_stop"
    return whole


def raw(sim: Simulator, body: Any, headers: dict[str, str] = KEY) -> tuple[bytes, str]:
    """All bytes of an answer and how it ended: "closed", "reset", or "open" after three seconds."""
    data = json.dumps(body).encode()
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(["POST /v1/messages HTTP/1.1", "host: x", *lines])
    with socket.create_connection((sim.host, sim.port), timeout=3) as client:
        client.sendall(f"{head}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        wire = b""
        try:
            while chunk := client.recv(65536):
                wire += chunk
        except ConnectionResetError:
            return wire, "reset"
        except TimeoutError:
            return wire, "open"
        return wire, "closed"


def turns(*contents: Any) -> list[dict[str, Any]]:
    """Messages of user and assistant in turn."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]
