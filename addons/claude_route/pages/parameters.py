"""The parameters of a page's URL: `?by=model&since=7d`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

SHOWN = 40
"""Characters of a wrong name or value that an error has."""


def read(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The values by their names. Those of a name that comes several times are a list, as in `by=client,model`."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def check(query: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse what a page doesn't know: without its misspelt parameter it would show something else.

    Raises:
        ValueError: there is such a parameter. The error names it, and those that are known.
    """
    for name in query:
        if name not in known:
            (nearest, *_) = [*difflib.get_close_matches(name[:SHOWN], known, 1), ""]
            hint = f": did you mean {nearest}?" if nearest else ""
            raise ValueError(
                f"parameters: expected some of {', '.join(known)}, got {name[:SHOWN]!r}{hint}"
            )


def choice(query: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """The value of a parameter; empty if it isn't there.

    Raises:
        ValueError: it is none of the choices.
    """
    value = query.get(name, "")
    if value and value not in choices:
        raise ValueError(f"{name}: expected {' or '.join(choices)}, got {value[:SHOWN]!r}")
    return value


def number(query: Mapping[str, str], name: str) -> int:
    """The value of a parameter, 0 if it isn't there.

    Raises:
        ValueError: it is no number with up to six digits.
    """
    value = query.get(name, "")
    if value and not (value.isascii() and value.isdigit() and len(value) < 7):
        raise ValueError(f"{name}: expected a number, got {value[:SHOWN]!r}")
    return int(value or 0)
