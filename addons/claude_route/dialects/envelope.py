"""Errors in Anthropic's form: https://platform.claude.com/docs/en/api/errors"""

from __future__ import annotations

from typing import Any

import msgspec

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

STATUSES = {kind: status for status, kind in KINDS.items()}
"""Error type -> status."""


def kind(status: int) -> str:
    """The error type for a status, or the closest one."""
    return KINDS.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def body(kind: str, message: str, *, details: dict[str, Any] | None = None) -> bytes:
    """The envelope, for the body of an error response or the data of an `error` event."""
    error: dict[str, Any] = {"type": kind, "message": message}
    if details is not None:
        error["details"] = details
    return msgspec.json.encode({"type": "error", "error": error})
