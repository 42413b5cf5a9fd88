"""Reads decoded JSON as a Struct as far as it fits: a field of another type is left out."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec


def convert[T: msgspec.Struct](value: dict[str, Any], kind: type[T]) -> T:
    """A Struct with the fields that fit; the others have their defaults."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        kept = _kept(value.get(field.encode_name, msgspec.UNSET), field.type)
        if kept is not msgspec.UNSET:
            fields[field.name] = kept
    return kind(**fields)


def _kept(value: Any, kind: Any) -> Any:
    """What fits of a value; UNSET if nothing does."""
    if value is msgspec.UNSET:
        return value
    for option in typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,):
        if isinstance(value, list) and typing.get_origin(option) is list:
            (item,) = typing.get_args(option)
            kept = (_kept(each, item) for each in value)
            return [each for each in kept if each is not msgspec.UNSET]
        if (
            isinstance(value, dict)
            and isinstance(option, type)
            and issubclass(option, msgspec.Struct)
        ):
            return convert(value, option)
    try:
        # An index may be a number in a string.
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return msgspec.UNSET
