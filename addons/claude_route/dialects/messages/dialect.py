"""The Messages API, as Anthropic and compatible providers offer it.

https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Any

from claude_route import targets
from claude_route.dialects import dialect
from claude_route.dialects import errors
from claude_route.dialects import fold
from claude_route.dialects import usage
from claude_route.dialects.messages import errors as messages_errors
from claude_route.dialects.messages import fold as messages_fold
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from claude_route.dialects.messages import streams
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import http_message


@dataclass(frozen=True)
class Call:
    """Implements `dialect.Call`."""

    body: bytes = field(repr=False)
    dropped: tuple[str, ...]
    _translator: scrub.Translator = field(repr=False)

    def stream(self) -> streams.Stream:
        return self._translator.stream()

    def answer(self, body: bytes) -> bytes:
        """A body that isn't a message passes unchanged."""
        return self._translator.answer(body)

    def usage(self, body: bytes) -> usage.Usage | None:
        return messages_usage.of_body(body)


class Messages:
    """Implements `dialect.Dialect`."""

    name = "anthropic"
    label = "Messages"
    paths = ("/v1/messages", "/v1/messages/count_tokens")
    models_endpoint = "/v1/models"
    version_headers = ((b"anthropic-version", b"2023-06-01"),)
    counts_tokens = True
    required = ("model", "messages", "max_tokens")
    request_fields = dialect.RequestFields(
        conversation="messages",
        tools="tools",
        system="system",
        limits=("max_tokens",),
        thinking="thinking",
        output="output_config",
    )

    def headers(
        self, fields: http_message.Fields, provider: targets.Provider
    ) -> http_message.Fields:
        return scrub.headers(fields, provider)

    def endpoint(self, path: str) -> str:
        return path

    def request(self, request: requests.Request, target: targets.Target) -> Call:
        return Call(scrub.request(request, target), (), scrub.Translator(target))

    def error(self, status: int, body: bytes) -> errors.Error:
        return messages_errors.translate(status, body)

    def blocks(self, message: dict[str, Any]) -> list[fold.Block]:
        return fold.listed(message.get("content"))

    def tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        return tool

    def fold(self, body: bytes, *, is_stream: bool) -> fold.Answer:
        return messages_fold.stream(body) if is_stream else messages_fold.body(body)
