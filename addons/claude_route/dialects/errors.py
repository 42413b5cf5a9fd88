"""Translates a provider's error to Anthropic's form, which decides what Claude Code does next.

A 401 would make it log in again, a 404 choose another model; the right message about the prompt's
length makes it compact the conversation. Each dialect finds the error in a body itself. This module has
what servers do alike in all dialects.
"""

from __future__ import annotations

import http
import re
from typing import Any
from typing import NamedTuple

from claude_route.dialects import account
from claude_route.dialects import capability
from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import overflow

_NAMED = {
    "authentication": 401,
    "invalid_api_key": 401,
    "rate_limit": 429,
    "too_many_requests": 429,
    "insufficient_quota": 429,
    "resource_exhausted": 429,
    "overloaded": 529,
    "timeout": 504,
    "invalid_request": 400,
    "badrequest": 400,
    "bad_request": 400,
    "invalid_argument": 400,
}
"""Part of an error's code or type -> the status that fits, for an error inside an answer."""

_KEY = re.compile(
    r"(?:invalid|incorrect|missing|expired|no) .{0,10}api.?key"
    r"|api.?key .{0,20}(?:invalid|not valid|expired)|invalid_api_key",
    re.IGNORECASE,
)


_GARBLED = re.compile(r"tool_use_failed|output_parse_failed")
"""Groq's codes for a call that the model wrote and that can't be parsed. Their status is 400."""


class Error(NamedTuple):
    """What the client gets."""

    status: int
    kind: str
    """`error.type`."""
    message: str
    refuses_key: bool = False
    """Whether the provider rejects the key in the profile, for which the client is not at fault."""
    refuses: tuple[str, ...] = ()
    """What it may refuse in the request: classes of `capability`, the likeliest first."""
    retry: bool = True
    """Whether the same request could succeed later."""


def translate(status: int, code: str, message: str) -> Error:
    """Translate an error with a status of 400 or above. `code` has its type and codes; `message` is
    what `error_body.clean` has made of it: short, and safe to show."""
    if status == 401 or (status in (400, 403) and _KEY.search(message)):
        rejected = "the provider rejects the API key in the proxy's profile"
        return Error(500, "api_error", rejected, refuses_key=True)
    if account.is_empty(status, code, message):
        status = 429 if status == 429 else 402
        return Error(status, envelope.kind(status), message, retry=False)
    if account.is_rate_limit(status, code, message):
        return Error(429, envelope.kind(429), message, retry=account.may_pass(message))
    if status != 429 and (reworded := overflow.reworded(code, message)):
        return Error(400, "invalid_request_error", reworded)
    if _GARBLED.search(code):
        # The model's fault: it may write another call.
        return Error(500, "api_error", message)
    if refuses := capability.refused(status, message):
        return Error(400, "invalid_request_error", message, refuses=refuses)
    if status == 408:
        return Error(408, "timeout_error", message)
    if status == 404 or (status < 500 and status not in envelope.KINDS):
        status = 400
    return Error(status, envelope.kind(status), message)


def wordless(status: int) -> str:
    """A message for an error that has none."""
    if status < 400:
        return "the provider gave no error message"
    phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus else "an error"
    return f"the provider answered {status}: {phrase}"


def explained(error: dict[str, Any], body: bytes) -> tuple[str, str]:
    """The error's type and codes, from all its fields, and its message. `error` is empty if the body has
    none."""
    fault = error_body.of(error) if error else error_body.read(body)
    code = f"{fault.kind} {fault.code} {error.get('status')}"
    message = fault.message
    # FastAPI's path of the error in the request: after `<field>: Extra inputs are not permitted` Claude
    # Code omits some fields.
    if place := _place(error.get("detail")) or _place(_get(error.get("message"), "detail")):
        message = f"{place}: {message}"
    # llama.cpp
    if "n_prompt_tokens" in error and "n_ctx" in error:
        numbers = f"n_prompt_tokens: {error['n_prompt_tokens']}, n_ctx: {error['n_ctx']}"
        message = f"{message} ({numbers})"
    # The error of the provider that OpenRouter called.
    if raw := _get(error.get("metadata"), "raw"):
        inner = error_body.read(raw.encode()) if isinstance(raw, str) else error_body.of(raw)
        name = _get(error["metadata"], "provider_name") or "its provider"
        return f"{code} {inner.kind} {inner.code}", f"{message}: {name}: {inner.message}"
    return code, message


def _place(detail: Any) -> str:
    """`body.messages.1.name`, from FastAPI's list of errors."""
    place = _get(detail[0], "loc") if isinstance(detail, list) and detail else None
    return ".".join(map(str, place)) if isinstance(place, list) else ""


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def status_of(error: dict[str, Any], code: str) -> int:
    """A status for an error that has none."""
    for key in ("code", "status", "status_code"):
        if re.fullmatch(r"[45]\d\d", str(error.get(key))):
            return int(error[key])
    code = code.lower()
    named = (status for name, status in _NAMED.items() if name in code)
    return next(named, 429 if account.names_rate_limit(error_body.of(error).message) else 500)
