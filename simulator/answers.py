"""The parts of an answer: content, usage, errors and, by inheritance, its delivery on the wire."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import Any
from typing import Literal

import msgspec

from simulator import faults

Headers = Sequence[tuple[str, str]]


class Text(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class Thinking(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    """With `signature=None` the simulator signs it as the provider that it plays would."""

    thinking: str
    signature: str | None = None


class RedactedThinking(msgspec.Struct, frozen=True, tag_field="type", tag="redacted_thinking"):
    """With `data=None` the simulator makes some."""

    data: str | None = None


class ToolUse(msgspec.Struct, frozen=True, tag_field="type", tag="tool_use"):
    """Without an id it gets a unique one."""

    name: str
    input: dict[str, Any] = {}
    id: str = ""


class ServerToolUse(msgspec.Struct, frozen=True, tag_field="type", tag="server_tool_use"):
    """A tool that the provider's own server has run."""

    name: str
    input: dict[str, Any]
    id: str


class WebSearchResult(msgspec.Struct, frozen=True, tag_field="type", tag="web_search_tool_result"):
    tool_use_id: str
    content: list[dict[str, Any]]


Block = Text | Thinking | RedactedThinking | ToolUse | ServerToolUse | WebSearchResult


@dataclass(frozen=True, kw_only=True)
class Answer(faults.Delivery):
    """One answer. What is left out is filled in as a well-behaved provider would send it.

    As JSON (at the control endpoint) it has the same names, with `content` as Anthropic's blocks
    and `body` as text.
    """

    content: tuple[Block, ...] | None = None
    """None: what the conversation asks for, `()`: nothing at all."""
    delta_size: int = 12
    """Characters in each delta of a stream: text, thinking, and the JSON of a tool's input."""
    reasoning: Literal["reasoning_content", "reasoning", "reasoning_details"] = "reasoning_content"
    """Where Chat Completions puts its thinking."""
    calls: Literal["openai", "whole", "together", "interleaved", "late"] = "openai"
    """How a Chat Completions stream sends its tool calls: as OpenAI does; each in one chunk; all in
    one chunk; by turns; with id and name after the first of the arguments."""
    stop_reason: str | None = None
    """In Anthropic's terms, whatever the dialect."""
    usage: Mapping[str, int] = field(default_factory=dict)
    """Replaces parts of the estimated usage, in Anthropic's terms."""
    model: str | None = None
    """Replaces the requested model."""
    id: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Added; a header that the answer would have had under the same name is replaced."""
    status: int = 200
    error: str | None = None
    """Anthropic's error type; by default the one that goes with `status`."""
    message: str | None = None
    details: Mapping[str, Any] | None = None
    """`error.details`, where Anthropic puts an `error_code`."""
    body: bytes | None = None
    """Sent as it is, with `content-type: text/html` unless `headers` says otherwise."""
    error_at: int | None = None
    """In a stream of status 200, an `error` event in place of event number `error_at`, the last."""


ERRORS = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "OAuth token has been revoked. Please obtain a new token."),
    404: ("not_found_error", "Not found"),
    408: ("timeout_error", "Request timed out"),
    413: ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
    422: ("invalid_request_error", "The request is not valid."),
    429: (
        "rate_limit_error",
        "This request would exceed your account's rate limit. Please try again later.",
    ),
    500: ("api_error", "Internal server error"),
    502: ("api_error", "Bad gateway"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "Gateway timeout"),
    529: ("overloaded_error", "Overloaded"),
}
STATUSES = {kind: status for status, (kind, _) in reversed(ERRORS.items())}

_NAMES = {one.name for one in fields(Answer)}


def error_type(answer: Answer) -> str:
    kind, _ = ERRORS.get(answer.status, ("api_error", ""))
    if answer.error_at is not None and answer.status == 200:
        kind = "overloaded_error"
    return answer.error or kind


def error_status(answer: Answer) -> int:
    """The HTTP status of an error: its own or, for one in a stream, that of its type."""
    return answer.status if answer.status != 200 else STATUSES.get(error_type(answer), 500)


def error_message(answer: Answer) -> str:
    _, message = ERRORS.get(error_status(answer), ("", "An error occurred"))
    return answer.message or message


def text(*texts: str, thinking: str | None = None) -> Answer:
    thought = () if thinking is None else (Thinking(thinking),)
    return Answer(content=(*thought, *map(Text, texts)))


def tool(name: str, input: dict[str, Any], *, thinking: str | None = None) -> Answer:
    thought = () if thinking is None else (Thinking(thinking),)
    return Answer(content=(*thought, ToolUse(name, input)))


def failure(status: int, message: str | None = None, *, headers: Headers = ()) -> Answer:
    """An error in the dialect's own form."""
    return Answer(status=status, message=message, headers=tuple(headers))


def html(status: int = 502) -> Answer:
    page = f"<html><head><title>{status} Bad Gateway</title></head><body>nginx</body></html>"
    return Answer(status=status, body=page.encode())


def first_event_error(error: str = "overloaded_error", *, at: int = 0) -> Answer:
    return Answer(error_at=at, error=error)


def from_json(value: Any) -> Answer:
    """An answer from decoded JSON. Raises msgspec.ValidationError."""
    if isinstance(value, dict) and isinstance(value.get("body"), str):
        value = {**value, "body": base64.b64encode(value["body"].encode()).decode()}
    if isinstance(value, dict) and isinstance(value.get("headers"), dict):
        value = {**value, "headers": list(value["headers"].items())}
    if isinstance(value, dict) and (unknown := value.keys() - _NAMES):
        raise msgspec.ValidationError(f"expected fields of an answer, got {sorted(unknown)}")
    return msgspec.convert(value, Answer)
