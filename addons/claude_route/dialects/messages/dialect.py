"""The Messages API, as Anthropic and compatible providers offer it.

https://platform.claude.com/docs/en/api/messages
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
from claude_route.dialects.messages import answers
from claude_route.dialects.messages import errors as messages_errors
from claude_route.dialects.messages import fold as messages_fold
from claude_route.dialects.messages import repairs
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import scrub
from claude_route.dialects.messages import streams
from claude_route.dialects.messages import tagged_text
from claude_route.dialects.messages import thinking_answer
from claude_route.dialects.messages import usage as messages_usage
from claude_route.wire import http_message


@dataclass(frozen=True)
class Call:
    """Implements `dialect.Call`."""

    body: bytes = field(repr=False)
    dropped: tuple[str, ...]
    _provider: targets.Provider = field(repr=False)
    _context: answers.Context = field(repr=False)

    def stream(self) -> dialect.Rewriter:
        editor = self._editor()
        if self._provider.is_anthropic:
            return streams.Stream(editor)
        return repairs.Stream(self._context, editor)

    def _editor(self) -> thinking_answer.Editor | None:
        editor = self._thinking_editor()
        if self._provider.reasoning != "tags":
            return editor
        first = tagged_text.Editor()
        return tagged_text.Chain(first, editor) if editor else first

    def _thinking_editor(self) -> thinking_answer.Editor | None:
        match self._provider.thinking.responses:
            case "tag":
                return thinking_answer.Tagger(self._provider.name)
            case "strip":
                return thinking_answer.Stripper()
            case "keep":
                return None

    def answer(self, body: bytes) -> bytes:
        if self._provider.is_anthropic:
            answers.check(body)
        else:
            body = answers.repaired(body, self._context)
            if self._provider.reasoning == "tags":
                body = tagged_text.split(body)
        match self._provider.thinking.responses:
            case "tag":
                return thinking_answer.tag(body, self._provider.name)
            case "strip":
                return thinking_answer.strip(body)
            case "keep":
                return body

    def count(self, body: bytes) -> bytes:
        answers.check_count(body)
        return body

    def usage(self, body: bytes) -> usage.Usage | None:
        return messages_usage.of_body(body)

    def message_id(self, body: bytes) -> str:
        return messages_usage.message_id(body)


class Messages:
    """Implements `dialect.Dialect`."""

    name = "anthropic"
    label = "Messages"
    paths = ("/v1/messages", "/v1/messages/count_tokens")
    models_endpoint = "/v1/models"
    version_headers = ((b"anthropic-version", scrub.VERSION),)
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
        return call(request, target)

    def error(self, status: int, body: bytes) -> errors.Error:
        return messages_errors.translate(status, body)

    def blocks(self, message: dict[str, Any]) -> list[fold.Block]:
        return fold.listed(message.get("content"))

    def tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        return tool

    def fold(self, body: bytes, *, is_stream: bool) -> fold.Answer:
        return messages_fold.stream(body) if is_stream else messages_fold.body(body)


def call(
    request: requests.Request, target: targets.Target, new_id: Callable[[], str] = dialect.new_id
) -> Call:
    """The request for a target. `new_id` returns new unique letters and digits.

    Raises:
        ValueError: the body isn't a Messages request.
    """
    context = answers.Context(request.model, request.body, new_id)
    return Call(scrub.request(request, target), (), target.provider, context)
