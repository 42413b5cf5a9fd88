"""Errors of Chat Completions providers in Anthropic's words: what Claude Code does next hangs on them.

A 401 would make it log in again, a 404 choose another model; the right words about the length of the prompt
make it compact the conversation.
"""

from __future__ import annotations

import html
import http
import json
import re
from typing import Any
from typing import NamedTuple

import chat_overflow
import errors

_LONGEST = 2000
"""Characters of a provider's message that the client gets."""

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
"""Part of an error's code or type: the status it would have had, where it comes inside a stream."""

_KEY = re.compile(
    r"(?:invalid|incorrect|missing|expired|no) .{0,10}api.?key|api.?key .{0,20}(?:invalid|not valid|expired)"
    r"|invalid_api_key",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\b(?:sk|gsk|csk|xai|AIza|Bearer )[-_\w*.]{8,}")


class _Problem(NamedTuple):
    status: int
    code: str
    """Codes and types, however many the provider gave."""
    message: str


def translate(status: int, body: bytes) -> tuple[int, str, str]:
    """Status, error type and message for the client; `status` is below 400 for an error amid an answer."""
    problem = _read(status, body)
    if problem.status == 401 or (problem.status in (400, 403) and _KEY.search(problem.message)):
        return 500, "api_error", "the provider refuses the key that the profile has for it"
    if problem.status != 429 and (words := chat_overflow.reworded(problem.code, problem.message)):
        return 400, "invalid_request_error", words
    status = problem.status
    if status in errors.KINDS and status not in (401, 404):
        return status, errors.kind(status), problem.message
    if status == 408:
        return status, "timeout_error", problem.message
    if 400 <= status < 500:
        return 400, "invalid_request_error", problem.message
    return status, errors.kind(status), problem.message


def _read(status: int, body: bytes) -> _Problem:
    text = body.decode(errors="replace").strip()
    inner: Any = None
    try:
        inner = _error(_json(text))
        code, message = _explained(inner)
    except RecursionError:
        code, message = "", _clean(text)
    if status < 400:
        status = _status(inner, code)
    if not message:
        phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus else "an error"
        message = f"the provider answered {status}: {phrase}"
    return _Problem(status, code, message)


def _json(text: str) -> Any:
    """A body's JSON; of one that is none its text, of a web page the title."""
    try:
        return json.loads(text)
    except ValueError:
        if not text.startswith("<"):
            return text
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return html.unescape(title[1]) if title else ""


def _error(body: Any) -> Any:
    """Where a body has its error: under `error`, in its first choice, or all of it."""
    # Gemini wraps its error in a list.
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return body
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for place in (body, choice):
        if isinstance(place, dict) and isinstance(place.get("error"), dict | str):
            return place["error"]
    return body


def _explained(error: Any) -> tuple[str, str]:
    """What an error calls itself, and what it says in plain words."""
    if isinstance(error, list):
        return "", "; ".join(filter(None, (_explained(item)[1] for item in error)))
    if not isinstance(error, dict):
        return "", _clean(error) if isinstance(error, str) else ""
    code = " ".join(
        value for key in ("code", "type", "status") if isinstance(value := error.get(key), str)
    )
    message = next(
        (found for key in ("message", "detail", "msg") if (found := _explained(error.get(key))[1])),
        "",
    )
    # FastAPI's place of a mistake in the request, and llama.cpp's numbers.
    if isinstance(place := error.get("loc"), list):
        message = f"{'.'.join(map(str, place))}: {message}"
    if "n_prompt_tokens" in error and "n_ctx" in error:
        numbers = f"n_prompt_tokens: {error['n_prompt_tokens']}, n_ctx: {error['n_ctx']}"
        message = f"{message} ({numbers})"
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and metadata.get("raw"):
        raw = metadata["raw"]
        inner_code, inner = _explained(_error(_json(raw) if isinstance(raw, str) else raw))
        name = metadata.get("provider_name") or "a provider behind it"
        return f"{code} {inner_code}", f"{message}: {name}: {inner}"
    return code, message


def _clean(message: str) -> str:
    return _SECRET.sub("…", " ".join(message.split()))[:_LONGEST]


def _status(error: Any, code: str) -> int:
    """The status of an error that came with none: in the midst of a stream."""
    if isinstance(error, dict):
        for key in ("code", "status", "status_code"):
            given = str(error.get(key))
            if re.fullmatch(r"[45]\d\d", given):
                return int(given)
    code = code.lower()
    return next((status for name, status in _NAMED.items() if name in code), 500)
