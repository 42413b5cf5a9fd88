"""Checks the types of a message's parts without making errors that nobody sees.

Replaces: `http.MessageData.__post_init__`.
Why: for each part, mitmproxy makes the error that it would raise, and raises and catches one for each
alternative that doesn't fit: ten for a request and its response, some 100 µs. What they refer to refers to
them, so that it takes a garbage collection to free them.
Upstream: docs/upstream/message-types.md
Remove when: `typecheck.check_option_type` makes an error only to raise it.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any

from mitmproxy import http


@functools.cache
def parts(kind: type[http.MessageData]) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """The parts of a message, and the types that each may have."""
    return tuple((field.name, _types(field.type)) for field in dataclasses.fields(kind))


def _types(annotation: Any) -> tuple[type, ...]:
    named = typing.get_args(annotation) or (annotation,)
    return (*named, int) if float in named else named


def install() -> Callable[[], None]:
    """For every message from now on; the callable undoes it."""
    kind: Any = http.MessageData
    stock = vars(kind).get("__post_init__")
    if stock is None:  # with `python -O`
        return lambda: None

    @functools.wraps(stock)
    def check(self: http.MessageData) -> None:
        for name, types in parts(type(self)):
            if not isinstance(getattr(self, name), types):
                stock(self)

    def uninstall() -> None:
        kind.__post_init__ = stock

    kind.__post_init__ = check
    return uninstall
