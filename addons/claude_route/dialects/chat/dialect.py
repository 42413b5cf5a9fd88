"""Chat Completions, as OpenAI and compatible providers offer it.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from claude_route import targets
from claude_route.dialects import dialect
from claude_route.dialects import errors
from claude_route.dialects import fold
from claude_route.dialects import usage
from claude_route.dialects.chat import answers
from claude_route.dialects.chat import blocks
from claude_route.dialects.chat import completions
from claude_route.dialects.chat import errors as chat_errors
from claude_route.dialects.chat import fold as chat_fold
from claude_route.dialects.chat import quirks
from claude_route.dialects.chat import streams
from claude_route.dialects.chat import translation
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from claude_route.wire import http_message


@dataclass(frozen=True)
class Call:
    """Implements `dialect.Call`."""

    body: bytes = field(repr=False)
    dropped: tuple[str, ...]
    _context: answers.Context = field(repr=False)

    def stream(self) -> streams.Stream:
        return streams.Stream(self._context)

    def answer(self, body: bytes) -> bytes:
        return answers.translate(body, self._context)

    def count(self, body: bytes) -> bytes:
        raise ValueError("body: expected a count of tokens, which this API doesn't have")

    def usage(self, body: bytes) -> usage.Usage | None:
        return completions.counted_in(body)

    def message_id(self, body: bytes) -> str:
        return ""


class Chat:
    """Implements `dialect.Dialect`."""

    name = "openai"
    label = "Chat Completions"
    paths = ("/chat/completions",)
    models_endpoint = "/models"
    version_headers = ()
    counts_tokens = False
    required = ("model", "messages")
    request_fields = dialect.RequestFields(
        conversation="messages",
        tools="tools",
        system=None,
        limits=("max_tokens", "max_completion_tokens"),
        thinking="thinking",
    )

    def headers(
        self, fields: http_message.Fields, provider: targets.Provider
    ) -> http_message.Fields:
        # The version is of an API that this provider doesn't offer.
        kept = scrub.headers(fields, provider)
        return tuple(field for field in kept if field[0].lower() != b"anthropic-version")

    def endpoint(self, path: str) -> str:
        return "/chat/completions"

    def request(self, request: requests.Request, target: targets.Target) -> Call:
        return call(request, target)

    def error(self, status: int, body: bytes) -> errors.Error:
        return chat_errors.translate(status, body)

    def blocks(self, message: dict[str, Any]) -> list[fold.Block]:
        return blocks.of_message(message)

    def tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        function = tool.get("function")
        return function if isinstance(function, dict) else tool

    def fold(self, body: bytes, *, is_stream: bool) -> fold.Answer:
        return chat_fold.stream(body) if is_stream else chat_fold.body(body)


def call(
    request: requests.Request, target: targets.Target, new_id: Callable[[], str] = dialect.new_id
) -> Call:
    """The request for a target. `new_id` returns new unique letters and digits.

    Raises:
        ValueError: the body isn't a Messages request.
    """
    translated = translation.translate(request, target)
    context = answers.Context(
        request.model,
        target.provider,
        translated.names,
        translated.stops,
        translated.ids,
        new_id,
        target.provider.reasoning == "tags" or quirks.of(target).think_tags,
    )
    return Call(translated.body, translated.dropped, context)
