"""Translates errors of Chat Completions providers, in all their variants."""

from __future__ import annotations

from typing import Any

from claude_route.dialects import error_body
from claude_route.dialects import errors
from claude_route.dialects import stops


def translate(status: int, body: bytes) -> errors.Error:
    """An error in Anthropic's form. A status below 400 means an error in the middle of an answer."""
    error = _error(body)
    code, message = errors.explained(error, body)
    message = error_body.clean(message) or errors.wordless(status)
    return errors.translate(
        status if status >= 400 else errors.status_of(error, code), code, message
    )


def _error(body: bytes) -> dict[str, Any]:
    """The error in a body: its `error`, that of its first choice, or all of it. Empty if it isn't an object."""
    try:
        value = error_body.loads(body)
    except ValueError:
        return {}
    # Gemini wraps its error in a list.
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return {}
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    choice = choice if isinstance(choice, dict) else {}
    # Azure has it among the results of its filters.
    for place in (value, choice, choice.get("content_filter_results")):
        if isinstance(place, dict) and isinstance(place.get("error"), dict):
            error: dict[str, Any] = place["error"]
            return error
    if stops.is_failure(finish := choice.get("finish_reason")):
        return {"message": stops.failure(finish)}
    return value
