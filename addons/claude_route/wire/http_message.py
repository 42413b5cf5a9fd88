"""Copies of HTTP messages with some parts replaced. Independent of mitmproxy's classes."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import Protocol

type Field = tuple[bytes, bytes]
"""A header: name and value."""

type Fields = Iterable[Field]

type Changes = Mapping[bytes, bytes | None]
"""Lower-case header name -> its new value; None removes it."""


class Message(Protocol):
    """The part of mitmproxy's requests and responses that we copy."""

    data: Any


class Request(Protocol):
    path: str


def by_name(fields: Fields) -> dict[str, str]:
    """Headers by their names in lower case. Several of one name are joined by commas."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name.decode("latin-1").lower(), []).append(
            value.decode("utf-8", "surrogateescape")
        )
    return {name: ", ".join(each) for name, each in values.items()}


def path(request: Request) -> str:
    """The request's path without the query."""
    return request.path.partition("?")[0]


def like[M: Message](message: M, **data: Any) -> M:
    """A copy of the message with these fields of its `data` replaced. mitmproxy's own copy checks
    the type of each field; that takes 40 µs, about three times per request."""
    made = _twin(message)
    made.data = _twin(message.data)
    vars(made.data).update(data)
    return made


def _twin[T](of: T) -> T:
    """As copy.copy() makes it of an object that is nothing but its attributes, in a third of the time."""
    made: T = object.__new__(type(of))
    vars(made).update(vars(of))
    return made


def changed(fields: Fields, changes: Changes) -> Fields:
    """The headers with the changes applied in place, and new headers at the end."""
    left = dict(changes)
    result = []
    for name, value in fields:
        key = name.lower()
        if key not in changes:
            result.append((name, value))
        elif new := left.pop(key, None):
            result.append((name, new))
    result += [(name, new) for name, new in left.items() if new]
    return tuple(result)
