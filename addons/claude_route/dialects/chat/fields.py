"""The top-level fields of a Messages request, taken one by one, so that what nobody took can be named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from claude_route.wire import rawjson


class Fields:
    """A request's fields, each to be taken once."""

    def __init__(self, fields: Mapping[str, msgspec.Raw]) -> None:
        self._left = dict(fields)
        self._dropped: dict[str, None] = {}

    def take(self, field: str, type: Any, default: Any = None) -> Any:
        """The field, or the default where it is absent or null.

        Of an object, what its struct doesn't know is dropped.

        Raises:
            ValueError: it is not of the type.
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
        """Remember that what stands at the path does not go on."""
        self._dropped[path] = None

    def dropped(self) -> tuple[str, ...]:
        """The paths of all that doesn't go on, once each: for a log, so without content."""
        return (*self._dropped, *self._left)
