"""Messages <-> Chat Completions: what a provider with `api: openai` is asked, and what its answer means."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

from claude_route.dialects.chat import answers
from claude_route.dialects.chat import errors
from claude_route.dialects.chat import streams
from claude_route.dialects.chat import translation
from claude_route.dialects.messages import requests
from claude_route.profile import profiles


def _new_id() -> str:
    return secrets.token_hex(12)


@dataclass(frozen=True)
class Call:
    """One request to a Chat Completions provider, which knows how its answer is to be read."""

    body: bytes = field(repr=False)
    """The request's body."""
    dropped: tuple[str, ...]
    """The paths of what was left out of it, without content."""
    _asked: answers.Asked = field(repr=False)

    def stream(self) -> streams.Stream:
        """For an answer that is an event stream."""
        return streams.Stream(self._asked)

    def answer(self, body: bytes) -> bytes:
        """The answer as a message, whatever was asked for.

        Raises:
            ValueError: the body is no answer; where it is an error, error() reads it.
        """
        return answers.translate(body, self._asked)


def request(
    request: requests.Request, target: profiles.Target, new_id: Callable[[], str] = _new_id
) -> Call:
    """The request for a target; `new_id` makes letters and digits that nobody had before.

    Raises:
        ValueError: the body is no Messages request.
    """
    translated = translation.translate(request, target)
    asked = answers.Asked(
        request.model,
        target.provider,
        translated.names,
        translated.stops,
        translated.ids,
        new_id,
    )
    return Call(translated.body, translated.dropped, asked)


def error(status: int, body: bytes) -> tuple[int, str, str]:
    """Status, error type and message for the client; a status below 400 is an error in an answer."""
    return errors.translate(status, body)
