"""Translates errors of Messages providers, most of which follow
https://platform.claude.com/docs/en/api/errors"""

from __future__ import annotations

from typing import Any

from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import errors


def translate(status: int, body: bytes) -> errors.Error:
    """An error in Anthropic's form. A status below 400 means an error in the middle of an answer."""
    error = _error(body)
    code, message = errors.explained(error, body)
    message = error_body.clean(message) or errors.wordless(status)
    if status < 400:
        kind = str(error.get("type"))
        status = envelope.STATUSES.get(kind) or errors.status_of(error, code)
    return errors.translate(status, code, message)


def _error(body: bytes) -> dict[str, Any]:
    """The error in the envelope, or else the whole body. Empty if it isn't an object."""
    try:
        whole = error_body.loads(body)
    except ValueError:
        return {}
    if not isinstance(whole, dict):
        return {}
    error = whole.get("error")
    return error if isinstance(error, dict) else whole
