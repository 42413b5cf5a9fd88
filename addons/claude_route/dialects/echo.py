"""What an error repeats of the request, which is not the provider's own verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ECHO = re.compile(
    # FastAPI and Pydantic repeat what they refuse.
    r"['\"]input['\"]\s?:.*|\binput_value=.*"
    # Other servers quote it. Short quotations are names, and one after `"message":` is an error itself.
    r"|(?<!['\"]message['\"]: )(?<!['\"]message['\"]:)(?<!\w)(?P<quote>[\"'`])"
    r"(?:(?!(?P=quote))[^\\]|\\.){60,}(?P=quote)(?!\w)",
    re.DOTALL,
)
"""What the request itself may have put into an error."""

_LONGEST = 1000
"""The characters of an error in which we look for a class: a refusal names its reason first."""


def removed(message: str) -> str:
    """The message without what it repeats of the request."""
    return _ECHO.sub("…", message[:_LONGEST])


MAX_SEARCHED = 1024 * 1024
"""Bytes of a request in which we look for words."""

_WORD = re.compile(r"[a-z]+")

_GAP = rb"(?:\\[bfnrt]|\\u00[0-9a-f]{2}|[^a-z]){1,16}"
"""Between two words: anything but letters, and what JSON escapes."""

_ESCAPED = re.compile(rb"\\u00(?:[46][1-9a-f]|[57][0-9a]|20)", re.IGNORECASE)
"""A letter or a space that JSON doesn't need to escape, and that nobody escapes but to hide it."""


def may_repeat(words: str, request: Iterable[bytes]) -> bool:
    """Whether a request can have put these words into an error: they stand in it, or something in it begins
    as they do, such as a name with which a server begins its message.

    In doubt it can: then nothing is learnt from the words, and other requests will have the same answer.
    `request` has the body and the values of headers.
    """
    found = [word.encode() for word in _WORD.findall(words.lower())]
    return bool(found) and any(_has(part, found, _begun(found[:2])) for part in request)


def may_name(message: str, request: Iterable[bytes]) -> bool:
    """Whether the beginning of a message that refuses a parameter can be the request's own words, or the
    name of a model or a tool in it."""
    begin = message[:80].lower()
    found = [word.encode() for word in _WORD.findall(begin)][:6]
    name = _NAME.match(begin)
    named = re.compile(_NAMED % re.escape(name[1].encode())) if name else None
    return bool(found) and any(_has(part, found, named) for part in request)


_NAME = re.compile(r"\W*([a-z][\w.-]*)", re.ASCII)
_NAMED = rb"[\"'](?:name|model)[\"']\s*:\s*[\"']%s[\"']"


def _begun(words: list[bytes]) -> re.Pattern[bytes]:
    """Something that begins with these words."""
    return re.compile(rb"(?:^|[\"'`/=,])[^a-z\"]{0,8}" + _GAP.join(words) + rb"(?![a-z])")


def _has(part: bytes, words: list[bytes], other: re.Pattern[bytes] | None) -> bool:
    if len(part) > MAX_SEARCHED or _ESCAPED.search(part):
        return True
    text = part.lower()
    if words[0] not in text:
        return False
    return bool(re.search(_GAP.join(words), text) or (other and other.search(text)))
