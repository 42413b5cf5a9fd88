"""Errors of Messages providers: https://platform.claude.com/docs/en/api/errors, or nearly so."""

from __future__ import annotations

from typing import Any

from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import errors


def translate(status: int, body: bytes) -> errors.Error:
    """An error in Anthropic's terms; `status` is below 400 for an error amid an answer."""
    error = _error(body)
    code, message = errors.explained(error, body)
    message = error_body.clean(message) or errors.wordless(status)
    if status < 400:
        kind = str(error.get("type"))
        status = envelope.STATUSES.get(kind) or errors.status_of(error, code)
    return errors.translate(status, code, message)


def _error(body: bytes) -> dict[str, Any]:
    """What the envelope holds; all of a body that has none, and nothing of one that is no object."""
    try:
        whole = error_body.loads(body)
    except ValueError:
        return {}
    if not isinstance(whole, dict):
        return {}
    error = whole.get("error")
    return error if isinstance(error, dict) else whole
