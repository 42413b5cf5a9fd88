"""What a dialect is: an API that providers speak, between us and them.

Clients speak Messages, whatever the provider speaks: a dialect writes a client's request in its own
terms and reads everything that comes back, an answer, a stream or an error, in Anthropic's.
`registry` finds one by its name.
"""

from __future__ import annotations

from typing import Any
from typing import Protocol

from claude_route import targets
from claude_route.dialects import errors
from claude_route.dialects import fold
from claude_route.dialects import usage
from claude_route.dialects.messages import requests
from claude_route.wire import sse


class Rewriter(Protocol):
    """Makes the client's events out of the upstream's, each in hand once. Never raises."""

    meter: usage.Meter
    """Moved by each event."""

    @property
    def begun(self) -> bool:
        """An event has come that is neither an error nor a mere sign of life: this is an answer."""

    @property
    def complete(self) -> bool:
        """The last event has come, or an error that ends the stream."""

    @property
    def error(self) -> str:
        """The type of the error that ended the stream, in Anthropic's terms; "" where none did."""

    def feed(self, event: sse.Event) -> bytes:
        """Whole events for the client, or nothing yet."""

    def is_whole(self, event: sse.Event) -> bool:
        """Whether an event has all its data though the stream ended without the blank line after
        it."""

    def end(self) -> bytes:
        """What the client still lacks where the upstream has ended the stream."""

    def broken(self, why: str) -> bytes:
        """The same where the stream has ended too early: an error event, unless only the last event
        is missing. Afterwards it is complete."""


class Call(Protocol):
    """One request to a provider, which knows how its answer is to be read."""

    @property
    def body(self) -> bytes:
        """The request's body; the client's own, the same object, where nothing had to change."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """The paths of what was left out of it, without content."""

    def stream(self) -> Rewriter:
        """For an answer that is an event stream."""

    def is_error(self, body: bytes) -> bool:
        """Whether a whole answer with status 200 is an error after all."""

    def answer(self, body: bytes) -> bytes:
        """A whole answer as the client gets it.

        Raises:
            ValueError: the body is no answer.
        """

    def usage(self, body: bytes) -> usage.Usage | None:
        """What a whole answer says it took."""


class Dialect(Protocol):
    """Has no state."""

    @property
    def name(self) -> str:
        """As a profile's `api` has it."""

    @property
    def label(self) -> str:
        """As people call it: `Chat Completions`."""

    @property
    def paths(self) -> tuple[str, ...]:
        """What the paths of its requests end with."""

    @property
    def counts_tokens(self) -> bool:
        """Whether a provider may be asked how many tokens a request has."""

    def endpoint(self, path: str) -> str:
        """Where on a provider's base URL a request goes that came for a path of ours, query
        included."""

    def request(self, request: requests.Request, target: targets.Target) -> Call:
        """The request for a target.

        Raises:
            ValueError: the body is no Messages request.
        """

    def error(self, status: int, body: bytes) -> errors.Error:
        """A provider's error; a status below 400 is an error amid an answer."""

    def usage(self, body: bytes) -> usage.Usage | None:
        """What a whole answer says it took."""

    def blocks(self, message: dict[str, Any]) -> list[fold.Block]:
        """The content of a request's message, for a view, in the blocks of Messages."""

    def tool(self, tool: dict[str, Any]) -> dict[str, Any]:
        """A request's tool, for a view, as the fields of one of Messages."""

    def fold(self, body: bytes, *, is_stream: bool) -> fold.Answer:
        """What there is of an answer, put together for a view.

        Raises:
            ValueError: a body that isn't a stream is no answer.
        """
