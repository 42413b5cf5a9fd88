"""What providers have answered, by public reports, and what the client has to get for it.

Each module here has a tuple `CASES`, and tests/wire/test_cases.py plays them all through one proxy. A
case that is due to a kind of mistake stands here once; its neighbours belong in the unit tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import NamedTuple

import httpx

from claude_route.wire import sse
from tests import strict_client

SSE = "text/event-stream"
JSON = "application/json"

BASH = {
    "name": "Bash",
    "description": "Runs a command",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
    },
}
"""A tool."""


class Answer(NamedTuple):
    """What a provider sends."""

    body: bytes
    kind: str = JSON
    """Its content-type; empty for none."""
    status: int = 200


class Sent(NamedTuple):
    """A request that a provider got."""

    provider: str
    path: str
    headers: Mapping[str, str]
    """With names in lower case."""
    body: Any


@dataclass(frozen=True)
class Result:
    """What the client got."""

    status: int
    headers: httpx.Headers
    body: bytes
    sent: Sequence[Sent]
    log: str
    """The proxy's log of this case."""

    @property
    def target(self) -> str:
        """Who answered: `provider/model`, with the names that the case uses."""
        return str(self.headers.get("x-route-target", "")).partition(".")[2]

    @property
    def is_stream(self) -> bool:
        return str(self.headers.get("content-type", "")).startswith(SSE)

    @property
    def message(self) -> dict[str, Any]:
        """The answer, as a strict client assembles it."""
        assert self.status == 200, self.body
        if self.is_stream:
            return strict_client.fold([self.body])
        message: dict[str, Any] = json.loads(self.body)
        assert message["type"] == "message"
        return message

    @property
    def events(self) -> list[sse.Event]:
        return strict_client.events([self.body])

    @property
    def error(self) -> dict[str, Any]:
        assert self.status >= 400, self.body
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


def check_nothing(result: Result) -> None:
    pass


@dataclass(frozen=True)
class Case:
    name: str
    """Letters, digits and hyphens."""
    report: str
    """The address of a public report."""
    request: Mapping[str, Any]
    """The fields of a request, whose `model` is a key of `models`."""
    answers: Mapping[str, Sequence[Answer]]
    """Provider -> its answers to one request after the other; the last one repeats."""
    check: Callable[[Result], None]
    """Asserts that the client got what it has to get."""
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"other": {}})
    """Name -> settings, without base_url. `anthropic` is always there, and has no others than its own."""
    models: Mapping[str, str] = field(default_factory=lambda: {"glm": "other/glm-5"})
    """As in a profile. Models of `anthropic` are best named after the case: what the proxy learns of a
    target outlasts it."""
    fallbacks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the request."""
    pending: str = ""
    """Why it fails still."""


CHAT: Mapping[str, Mapping[str, Any]] = {"other": {"api": "openai"}}
"""`providers` with one that speaks Chat Completions."""


def events(*data: Mapping[str, Any] | str, names: bool = True) -> bytes:
    """An event stream. `names`: each event has the name that its data has as `type`."""
    return b"".join(
        sse.encode(
            str(each["type"]) if names and isinstance(each, Mapping) and "type" in each else "",
            (each if isinstance(each, str) else json.dumps(each)).encode(),
        )
        for each in data
    )


def whole(content: Sequence[Mapping[str, Any]], **fields: Any) -> Answer:
    """A Messages answer that isn't streamed."""
    return Answer(json.dumps(message(**{"content": content, **fields})).encode())


def message(**fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_upstream",
        "type": "message",
        "role": "assistant",
        "model": "glm-5",
        "content": [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 17},
        **fields,
    }


def start(**fields: Any) -> dict[str, Any]:
    """A message_start."""
    begun = message(stop_reason=None, usage={"input_tokens": 11, "output_tokens": 1})
    return {"type": "message_start", "message": {**begun, **fields}}


def block(index: int, block: Mapping[str, Any], *deltas: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events of a content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(text: str, index: int = 0) -> list[dict[str, Any]]:
    """The events of a text block."""
    return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})


def call(
    id: str, *pieces: str, index: int = 0, input: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The events of a call of Bash whose input comes in pieces."""
    use = {"type": "tool_use", "id": id, "name": "Bash", "input": input or {}}
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, use, *deltas)


def end(stop: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    """A message_delta and a message_stop."""
    delta = {"stop_reason": stop, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 17, **usage}},
        {"type": "message_stop"},
    ]


def stream(*data: Mapping[str, Any] | str, names: bool = True, kind: str = SSE) -> Answer:
    return Answer(events(*data, names=names), kind)


def asked(**fields: Any) -> dict[str, Any]:
    """A request for a streamed answer."""
    return {
        "model": "glm",
        "max_tokens": 1024,
        "stream": True,
        "messages": [{"role": "user", "content": "Say hello"}],
        **fields,
    }
