"""Finds the parameters that a provider refuses in its error, so that the request can go without them.

A name counts only where providers put it: in a field of the error, or where `refusal_texts` finds it in the
message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from claude_route.dialects import error_body
from claude_route.dialects import overflow
from claude_route.dialects import parameters
from claude_route.dialects import refusal_texts
from claude_route.dialects import repair


class Refusal(NamedTuple):
    """One parameter that a provider refuses."""

    choices: parameters.Choices
    """What may be left out for it, each as in a profile's `drop`: the first that the request contains."""
    is_general: bool
    """Whether the provider doesn't have the parameter at all. Otherwise it may refuse only its value, or
    what the request combines it with."""


_CENSORED = re.compile("policy|moderation|filter|safety|sensitive|guardrail|blocked", re.IGNORECASE)
"""In the type of an error about what the request says."""

_UNKNOWN_CODES = {"unsupported_parameter", "unknown_parameter", "extra_forbidden"}


_RETURNED = re.compile(
    r"thinking.{0,80}must be passed back|reasoning_content.{0,20} (?:is missing|must be passed back)"
    r"|missing \W?reasoning_content",
    re.IGNORECASE,
)
"""DeepSeek: `The content[].thinking in the thinking mode must be passed back to the API.` Kimi: `thinking is
enabled but reasoning_content is missing in assistant tool call message at index 1`."""


def wants_thinking(body: bytes) -> bool:
    """Whether an error says that calls of tools lack the thinking before them."""
    return _RETURNED.search(error_body.read(body).message) is not None


def read(body: bytes) -> tuple[Refusal, ...]:
    """The parameters of ours that the provider refuses, from the body of its error or the data of its
    error event. Empty if the error is about anything else."""
    refused: dict[parameters.Choices, bool] = {}
    for name in _names(body):
        choices = parameters.choices(name.path, is_general=name.is_general)
        if choices:
            refused.setdefault(choices, name.is_general)
    return tuple(Refusal(choices, is_general) for choices, is_general in refused.items())


def _names(body: bytes, depth: int = 0) -> Iterator[refusal_texts.Name]:
    try:
        value = error_body.loads(body)
    except ValueError:
        value = error_body.read(body).message
    if isinstance(value, list) and value and not _is_detail(value):
        value = value[0]
    if isinstance(detail := _get(value, "detail"), dict):
        value = detail
    error = value.get("error") if isinstance(value, dict) else value
    if not isinstance(error, dict):
        # xAI: {"code": …, "error": "Argument not supported …"}
        error = value if isinstance(value, dict) else {"message": error}
    message = _message(error)
    kind = f"{error.get('type')} {error.get('code')}"
    if _CENSORED.search(kind) or overflow.reworded(kind, message):
        return
    yield from _in_details(error)
    yield from _in_fields(error, message)
    yield from refusal_texts.names(message)
    if depth == 0:
        raw = _get(error.get("metadata"), "raw")
        text = refusal_texts.without_prefix(message)
        inner = raw if isinstance(raw, str) else text
        if inner.startswith(("{'", '{"', "[{")):
            # A gateway in Python may write the error as a literal of that language.
            made = repair.repaired(inner, is_whole=False) if inner.startswith("{'") else None
            yield from _names(made or inner.encode("utf-8", "replace"), depth + 1)


def _message(error: dict[str, Any]) -> str:
    for key in ("message", "msg", "error", "detail"):
        if isinstance(error.get(key), str):
            return str(error[key]).strip()
    return ""


def _in_details(error: dict[str, Any]) -> Iterator[refusal_texts.Name]:
    """From the list of errors that FastAPI makes: https://fastapi.tiangolo.com/tutorial/handling-errors/"""
    message = error.get("message")
    for detail in (error.get("detail"), _get(message, "detail"), message):
        if not isinstance(detail, list):
            continue
        for item in detail:
            place = _get(item, "loc")
            if isinstance(place, list):
                path = ".".join(str(part) for part in place)
                is_general = item.get("type") in ("extra_forbidden", "value_error.extra")
                yield refusal_texts.Name(path, is_general)


def _in_fields(error: dict[str, Any], message: str) -> Iterator[refusal_texts.Name]:
    param = error.get("param")
    if not isinstance(param, str):
        return
    code = f"{error.get('code')}"
    named = next(refusal_texts.names(message), None)
    if named and named.path.startswith(parameters.LIMIT):
        return
    is_general = code in _UNKNOWN_CODES or named == refusal_texts.Name(param, is_general=True)
    yield refusal_texts.Name(param, is_general)


def _is_detail(value: list[Any]) -> bool:
    return isinstance(_get(value[0], "loc"), list)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
