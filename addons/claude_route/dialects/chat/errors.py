"""Errors of Chat Completions providers, in all the shapes that they give them."""

from __future__ import annotations

from typing import Any

from claude_route.dialects import error_body
from claude_route.dialects import errors


def translate(status: int, body: bytes) -> errors.Error:
    """An error in Anthropic's terms; `status` is below 400 for an error amid an answer."""
    error = _error(body)
    code, message = errors.explained(error, body)
    message = error_body.clean(message) or errors.wordless(status)
    return errors.translate(
        status if status >= 400 else errors.status_of(error, code), code, message
    )


def _error(body: bytes) -> dict[str, Any]:
    """The error in a body, empty where it is no object: under `error`, in its first choice, or all of it."""
    try:
        found = error_body.loads(body)
    except ValueError:
        return {}
    # Gemini wraps its error in a list.
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return {}
    choices = found.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for place in (found, choice):
        if isinstance(place, dict) and isinstance(place.get("error"), dict):
            error: dict[str, Any] = place["error"]
            return error
    return found
