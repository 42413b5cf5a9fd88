"""Reads providers' error bodies, and makes their texts safe to display."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from claude_route.wire import rawjson

MAX_READ = 64 * 1024
"""How many bytes of an error body we read; the longest seen are web pages of a few KB."""

MAX_TEXT = 500
"""How many characters of a provider's text we show."""

TEXT_KEYS = (
    "message",
    "msg",
    "detail",
    "error",
    "errors",
    "error_msg",
    "error_message",
    "errorMessage",
    "error_description",
    "Message",
    "status_msg",
    "base_resp",
    "fault",
    "faultstring",
    "reason",
    "title",
)
"""The names of the text in an error, the most telling first."""

TITLE = re.compile(r"<(?:title|message)[^<>]*>([^<]*)", re.IGNORECASE)
"""Of a web page, or of an error in XML."""

REDACTED = "[redacted]"

# Better to redact a request id than to miss a key. Model names stay: they are lower case, with
# short runs of letters and digits.
CREDENTIALS = (
    (re.compile(r"\bsk-[\w.-]{4,}"), REDACTED),
    (re.compile(r"\b(bearer|basic)\s+(?!auth)[^\s\"',;]{8,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (
        re.compile(
            r"\b(api[-_ ]?key|token|secret|password|authorization)([\"' ]{0,2}[:=][\"' ]{0,2})"
            r"[^\s\"',;]{8,}",
            re.IGNORECASE,
        ),
        rf"\1\2{REDACTED}",
    ),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), REDACTED),
    (
        re.compile(r"(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{32,}", re.ASCII),
        REDACTED,
    ),
    (re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)[A-Za-z0-9]{20,}"), REDACTED),
)


_OF_CREDENTIALS = string.ascii_letters + string.digits + string.punctuation


class Fault(NamedTuple):
    """The contents of an error body. A field that it lacks is empty."""

    kind: str = ""
    """`error.type`, such as `rate_limit_error`."""
    message: str = ""
    """The provider's own text, unchanged: pass it to `clean` before showing it."""
    code: str = ""
    """Anthropic's `error.details.error_code`, or the `error.code` of others."""


NONE = Fault()


def read(body: bytes) -> Fault:
    """An error body in any form: Anthropic's, OpenAI's, FastAPI's, a web page, plain text."""
    try:
        return of(loads(body))
    except ValueError:
        return Fault(message=_page(_decoded(body)))


def loads(body: bytes) -> Any:
    """The JSON of an error body.

    Raises:
        ValueError: it isn't JSON.
    """
    try:
        return json.loads(_decoded(body))
    except RecursionError as e:
        raise ValueError(rawjson.explain(e)) from e


def _decoded(body: bytes) -> str:
    # A lone half of a surrogate pair can be neither shown nor sent.
    return rawjson.mend(body[:MAX_READ]).decode("utf-8", "replace")


def of(value: Any) -> Fault:
    """The fault in an error body that is already decoded."""
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return Fault(message=_text(value))
    error = value.get("error")
    if not isinstance(error, dict):
        error = value
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    kind = error.get("type")
    return Fault(
        kind=kind if isinstance(kind, str) and kind != "error" else "",
        message=_text(error),
        code=str(code or error.get("code") or ""),
    )


def is_error(body: bytes) -> bool:
    """Whether an answer, or the data of an event, is an error in any dialect or in a form of its own."""
    try:
        return has_error(rawjson.decode_mended(body, dict[str, Any]))
    except ValueError:
        return False


def has_error(fields: Mapping[str, Any]) -> bool:
    """Like is_error(), for what is decoded already."""
    kind, base_resp = fields.get("type"), fields.get("base_resp")
    if "error" in (kind, fields.get("object")) or fields.get("success") is False:
        return True
    # MiniMax, also beside `choices`.
    if isinstance(base_resp, dict) and base_resp.get("status_code"):
        return True
    # Chat Completions sends only `error`; in a good answer it is absent or null.
    if kind is None and fields.get("error"):
        return True
    is_answer = any(fields.get(key) for key in ("type", "object", "choices", "content"))
    words = (fields.get(key) for key in ("message", "msg", "detail"))
    return not is_answer and any(isinstance(text, str | list) for text in words)


def clean(text: str, secrets: Collection[str] = ()) -> str:
    """The text on one line, truncated, without the given secrets or anything that looks like a
    credential."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    if len(text) > 8 * MAX_TEXT:
        # Remove the last word: the cut may split a credential so that no pattern matches it. Not every
        # language has spaces.
        head = text[: 8 * MAX_TEXT]
        text = head.rpartition(" ")[0] or head.rstrip(_OF_CREDENTIALS)
    # A lone surrogate could not be encoded.
    text = text.encode("utf-8", "replace").decode()
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for pattern, replacement in CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _text(value: Any, depth: int = 4) -> str:
    """The first text under one of TEXT_KEYS."""
    if isinstance(value, str):
        return _unwrapped(value) if depth else value
    values: list[Any] = []
    if isinstance(value, dict):
        values = [value[key] for key in TEXT_KEYS if key in value]
        by_field = value.get("errors")
        if isinstance(by_field, dict) and not by_field.keys() & set(TEXT_KEYS):
            # Rails and others: {"errors": {"model": ["is unknown"]}}
            values += list(by_field.values())[:3]
    elif isinstance(value, list):
        values = value[:3]
    if depth:
        for item in values:
            if text := _text(item, depth - 1):
                return text
    return ""


def _unwrapped(text: str) -> str:
    """The message in a text that is itself an error in JSON, as some gateways have it."""
    if not text.startswith(("{", "[{")):
        return text
    try:
        return _text(json.loads(text), 3) or text
    except (ValueError, RecursionError):
        return text


def _page(text: str) -> str:
    """The title of a web page, such as `502 Bad Gateway`; any other text unchanged."""
    start = text[:8192].lstrip()
    if not start.startswith("<"):
        return text
    title = TITLE.search(start)
    return title[1].strip() if title else ""
