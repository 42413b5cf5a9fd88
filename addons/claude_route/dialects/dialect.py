"""The interface of a dialect: an API that providers offer.

Clients always use the Messages API. A dialect translates a client's request to its own API, and
translates everything that comes back, whether an answer, a stream or an error, to Anthropic's.
`registry` finds a dialect by its name.
"""

from __future__ import annotations

import secrets
from typing import Any
from typing import NamedTuple
from typing import Protocol

from claude_route import targets
from claude_route.dialects import errors
from claude_route.dialects import fold
from claude_route.dialects import usage
from claude_route.dialects.messages import requests
from claude_route.wire import http_message
from claude_route.wire import sse


def new_id() -> str:
    """Unique letters and digits, for an answer or a call that has no usable id of its own."""
    return secrets.token_hex(12)


class RequestFields(NamedTuple):
    """The names of a request's fields, for a view. Those that it doesn't name are listed as others."""

    conversation: str
    """An array of messages; a request can't do without it."""
    tools: str
    system: str | None
    """None if the system prompt is a message of the conversation."""
    limits: tuple[str, ...]
    """Numbers of output tokens."""
    thinking: str
    """An object."""
    output: str | None = None
    """An object of options about the answer."""
    temperature: str = "temperature"


class Rewriter(Protocol):
    """Translates the upstream's events to the client's, one at a time. Never raises."""

    meter: usage.Meter
    """Updated by each event."""

    @property
    def started(self) -> bool:
        """Whether an event of the answer has arrived: neither an error nor a ping."""

    @property
    def begun(self) -> bool:
        """Whether the answer has begun: there is a content block, or it has ended without one. Many
        providers send `message_start`, or the role, before they know whether they can answer."""

    @property
    def complete(self) -> bool:
        """Whether the last event has arrived, or an error that ends the stream."""

    @property
    def error(self) -> str:
        """Anthropic's type of the error that ended the stream; empty if none did."""

    @property
    def message_id(self) -> str:
        """The provider's id of the answer, if a thread can continue after it; otherwise empty."""

    def feed(self, event: sse.Event) -> bytes:
        """The whole events for the client that follow from this one; may be empty."""

    def is_whole(self, event: sse.Event) -> bool:
        """Whether an event has all its data, if the stream ended without the blank line after it."""

    def end(self) -> bytes:
        """The upstream has ended the stream. Returns the events that the client still needs."""

    def broken(self, why: str) -> bytes:
        """The stream was interrupted. Returns an error event or, if only the last event is missing, that
        event. Afterwards the stream is complete."""


class Call(Protocol):
    """One request to a provider. It reads the answer to that request."""

    @property
    def body(self) -> bytes:
        """The request's body. The client's own body object if nothing had to change."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """The key paths that were removed from the body, without content."""

    def stream(self) -> Rewriter:
        """The rewriter for an answer that is an event stream."""

    def answer(self, body: bytes) -> bytes:
        """A whole answer as the client gets it.

        Raises:
            ValueError: the body isn't an answer.
        """

    def count(self, body: bytes) -> bytes:
        """A whole answer to a request for a count of tokens, as the client gets it.

        Raises:
            ValueError: the body isn't one.
        """

    def usage(self, body: bytes) -> usage.Usage | None:
        """The usage that a whole answer reports, or the tokens that it counts."""

    def message_id(self, body: bytes) -> str:
        """A whole answer's id, as `Rewriter.message_id`."""


class Dialect(Protocol):
    """A dialect has no state."""

    @property
    def name(self) -> str:
        """The value of `api` in a profile."""

    @property
    def label(self) -> str:
        """As people call it: `Chat Completions`."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The endings of the paths of its requests."""

    @property
    def models_endpoint(self) -> str:
        """The path after a provider's base URL for the list of its models."""

    @property
    def version_headers(self) -> http_message.Fields:
        """The headers that say which version of the API a request is for."""

    @property
    def counts_tokens(self) -> bool:
        """Whether the API can count the tokens of a request."""

    @property
    def required(self) -> tuple[str, ...]:
        """The fields at the top of a request that no provider can do without."""

    @property
    def request_fields(self) -> RequestFields:
        """Where a view finds the parts of a request."""

    def headers(
        self, fields: http_message.Fields, provider: targets.Provider
    ) -> http_message.Fields:
        """The client's headers that a provider of this dialect may get.

        If the provider is Anthropic, they still contain the client's credential.
        """

    def endpoint(self, path: str) -> str:
        """The path after a provider's base URL for a request that arrived with this path, which includes
        the query."""

    def request(self, request: requests.Request, target: targets.Target) -> Call:
        """The request for a target.

        Raises:
            ValueError: the body isn't a Messages request.
        """

    def error(self, status: int, body: bytes) -> errors.Error:
        """Translate a provider's error. A status below 400 means an error in the middle of an answer."""

    def blocks(self, message: dict[str, Any]) -> list[fold.Block]:
        """A message of a request as Messages blocks, for a view."""

    def tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        """A tool of a request with the fields that it has in Messages, for a view."""

    def fold(self, body: bytes, *, is_stream: bool) -> fold.Answer:
        """An answer assembled from its body, which may be incomplete, for a view.

        Raises:
            ValueError: the body is neither a stream nor an answer.
        """
