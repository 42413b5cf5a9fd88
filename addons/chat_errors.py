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

_TOO_LONG = re.compile(
    r"maximum (?:context|prompt) length|context_length_exceeded|contextwindowexceeded"
    r"|exceed_context_size|exceeds? the (?:available )?context|context length is only"
    r"|context window exceeds|than the context length|exceeded model token limit"
    r"|input token (?:length too long|count .* exceeds)|prompt (?:exceeds max|is too) (?:length|long)"
    r"|range of input length should be|but model only supports up to"
    r"|maximum context|reduce the length of the (?:messages|input|prompt)",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?:maximum (?:context|prompt) length (?:is|of)|context length is only|tokens allowed \("
    r"|token limit:|limit is|model with|available context size \() ?([\d,]+)",
    re.IGNORECASE,
)
_INPUT = re.compile(
    r"(?:resulted in|request contains|passed|has|token count \(|length is|prompt contains"
    r"|request \() ?([\d,]+)",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"requested (?:about )?([\d,]+) tokens", re.IGNORECASE)
_OUTPUT = re.compile(
    r"([\d,]+) in the (?:completion|output)|requested ([\d,]+) output|too large: ([\d,]+)",
    re.IGNORECASE,
)
_ROOM = 5000
"""Tokens left for the answer with which it is worth asking again for a shorter one."""

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
    if problem.status != 429 and _TOO_LONG.search(f"{problem.code} {problem.message}"):
        return 400, "invalid_request_error", _too_long(problem.message)
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
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _plain(text)
    # Gemini wraps its error in a list.
    if isinstance(found, list) and found:
        found = found[0]
    inner = _error(found) if isinstance(found, dict) else found
    code, message = _explained(inner)
    if status < 400:
        status = _status(inner, code)
    if not message:
        phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus else "an error"
        message = f"the provider answered {status}: {phrase}"
    return _Problem(status, code, message)


def _error(body: dict[str, Any]) -> Any:
    """Where a body has its error: under `error`, in its first choice, or all of it."""
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
        message = (
            f"{message} (request has {error['n_prompt_tokens']} tokens, limit is {error['n_ctx']})"
        )
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and metadata.get("raw"):
        inner_code, inner = _behind(metadata["raw"])
        name = metadata.get("provider_name") or "a provider behind it"
        return f"{code} {inner_code}", f"{message}: {name}: {inner}"
    return code, message


def _behind(raw: Any) -> tuple[str, str]:
    """What the provider behind OpenRouter said."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            raw = _plain(raw)
    inner = raw.get("error") if isinstance(raw, dict) else None
    return _explained(inner or raw)


def _plain(text: str) -> str:
    """What a body that isn't JSON says: a web page by its title."""
    if not text.startswith("<"):
        return text
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return html.unescape(title[1]) if title else ""


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


def _too_long(message: str) -> str:
    """The message from which Claude Code sees that it should compact, or ask for a shorter answer."""
    limit, output = _number(_LIMIT, message), _number(_OUTPUT, message)
    used = _number(_INPUT, message)
    if used is None and (total := _number(_TOTAL, message)) is not None:
        used = total - (output or 0)
    if limit is None or used is None:
        return (
            message
            if message.startswith("prompt is too long")
            else f"prompt is too long: {message}"
        )
    if output and used + _ROOM <= limit < used + output:
        return f"input length and `max_tokens` exceed context limit: {used} + {output} > {limit}"
    return f"prompt is too long: {used + (output or 0)} tokens > {limit} maximum"


def _number(pattern: re.Pattern[str], message: str) -> int | None:
    found = pattern.search(message)
    return int(found[found.lastindex or 1].replace(",", "")) if found else None
