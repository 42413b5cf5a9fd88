"""The top-level fields of a Messages request, taken one by one, so that the rest can be reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from claude_route.wire import rawjson


class Fields:
    """A request's fields. Each can be taken once."""

    def __init__(self, fields: Mapping[str, msgspec.Raw]) -> None:
        self._left = dict(fields)
        self._dropped: dict[str, None] = {}

    def take(self, field: str, type: Any, default: Any = None) -> Any:
        """Take a field; returns the default if it is absent or null.

        If `type` is a struct, the fields that it doesn't have are dropped.

        Raises:
            ValueError: the field is of another type.
        """
        raw = self._left.pop(field, None)
        if raw is None or raw == rawjson.NULL:
            return default
        value = rawjson.decode(raw, type, field)
        if isinstance(value, msgspec.Struct):
            for key in msgspec.json.decode(raw):
                if key not in value.__struct_fields__:
                    self.drop(f"{field}.{key}")
        return value

    def drop(self, path: str) -> None:
        """Remember that the value at this key path is not sent."""
        self._dropped[path] = None

    def dropped(self) -> tuple[str, ...]:
        """The key paths of all values that are not sent, each once, without content, for the log."""
        return (*self._dropped, *self._left)
