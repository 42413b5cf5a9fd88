"""Values of a YAML file with their key paths. Each reader returns the expected type, or raises an error
that says what is wrong.

Strings may refer to environment variables: `${NAME}` and `${NAME:-default}`, also inside longer text.
A variable that is set but empty counts as unset, as in a shell's `:-`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
from typing import overload

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}")
NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

YEAR = 366 * 24 * 3600
"""Seconds; an upper limit for every duration."""

SHOWN = 80
"""Characters of a wrong value that an error shows."""

SHOWN_FROM_ENVIRONMENT = 24
"""The same for a variable's value: enough for a mode or a number, but not for a misplaced key."""

SECRET = re.compile(r"(?:KEY|KEYS|PASSWORD|SECRET|TOKEN|TOKENS|TOKEN_NEXT)$", re.IGNORECASE)
"""How the name of a variable ends whose value is a secret. `CLAUDE_TOKEN_MODE` isn't one."""


def join(path: str, key: object) -> str:
    """The key path of the value at a key, or of a list's item at its index."""
    if isinstance(key, int) and not isinstance(key, bool):
        return f"{path}[{key}]"
    shown = key if isinstance(key, str) and key.isprintable() else repr(key)
    return f"{path}.{shown}" if path else shown


def listed(names: Iterable[str]) -> str:
    """The names that an error says are possible, of many the first."""
    first, others = list(names)[:12], list(names)[12:]
    return ", ".join(first) + (" …" if others else "")


@dataclass(frozen=True)
class Value:
    """A value of a document.

    A reader's default applies if the value is absent or null; without a default it is required. All
    readers raise ValueError: `line <number>: <key path>: expected <what>, got <repr>`, without the
    line if it is unknown.
    """

    raw: Any = field(repr=False)
    """The parsed YAML. A Value inside it represents its own raw value, with its own path."""
    environ: Mapping[str, str] = field(repr=False)
    path: str = ""
    line: int | None = None
    """The line of its key or, if the key is absent, of the mapping around it."""
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)
    """The lines of the whole document by key path."""

    def __getitem__(self, key: str) -> Value:
        """The value at a key, which may be absent. This value must be a mapping, or absent."""
        return self.mapping().get(key) or self._child(None, key)

    def otherwise(self, raw: Any) -> Value:
        """This value or, if it is absent, `raw` in its place."""
        return replace(self, raw=raw) if self.raw is None else self

    def only(self, *keys: str) -> Value:
        """This value, after checking that it is absent or a mapping with only these keys."""
        for key in self.mapping():
            if key not in keys:
                expected = f"one of the keys {', '.join(keys)}"
                raise self._child(None, key).error(expected, got=_shown(key))
        return self

    def mapping(self) -> dict[str, Value]:
        """The values by key; empty if this value is absent."""
        raw = {} if self.raw is None else self.raw
        if not isinstance(raw, dict):
            # Show only the type of a string: `api_key:sk…`, without its space, is a string.
            raise self.error("a mapping", secret=True)
        for key in raw:
            if not isinstance(key, str):
                raise self._child(None, repr(key)).error("a string", got=repr(key))
        return {key: self._child(value, key) for key, value in raw.items()}

    def items(self, expected: str = "a list") -> list[Value]:
        """The values of a list; empty if this value is absent."""
        if self.raw is None:
            return []
        if not isinstance(self.raw, list):
            raise self.error(expected)
        return [self._child(item, index) for index, item in enumerate(self.raw)]

    def text(
        self,
        default: str | None = None,
        *,
        expected: str = "a string",
        secret: bool = False,
        unset_is_empty: bool = False,
    ) -> str:
        """A string with its variables expanded."""
        if self.raw is None and default is not None:
            return default
        if not isinstance(self.raw, str):
            raise self.error(expected, secret=secret)
        if (missing := self.unset()) and not unset_is_empty:
            raise self.problem(f"${{{missing[0]}}} is not set")
        return self._expanded()

    def url_or_off(self, expected: str) -> str | None:
        """A URL, which may have a password; empty for `off`, None if there is none."""
        if self.raw is None:
            return None
        if self.raw is False:  # YAML takes off for false
            return ""
        url = self.text(expected=expected, secret=True).strip()
        return "" if url.lower() == "off" else url

    @overload
    def choice[T: str](self, *options: T, default: T, any_case: bool = False) -> T: ...
    @overload
    def choice[T: str](self, *options: T, default: None, any_case: bool = False) -> T | None: ...
    def choice[T: str](self, *options: T, default: T | None, any_case: bool = False) -> T | None:
        if self.raw is None:
            return default
        expected = " or ".join(filter(None, (", ".join(options[:-1]), options[-1])))
        text = self.text(expected=expected)
        for option in options:
            if option == (text.lower() if any_case else text):
                return option
        raise self.error(expected)

    def seconds(self, default: float, *, may_be_zero: bool = False) -> float:
        value = default if self.raw is None else self._scalar()
        expected = "a number of seconds" + ("" if may_be_zero else " above 0")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(expected)
        if not 0 <= value <= YEAR or not (value or may_be_zero):
            raise self.error(expected)
        return float(value)

    def integer(self, default: int, *, expected: str, least: int) -> int:
        value = default if self.raw is None else self._scalar()
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.error(expected)
        return value

    def number(self, default: float | None = None, *, expected: str) -> float:
        """A number that isn't below 0."""
        value = default if self.raw is None else self._scalar()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(expected)
        if not 0 <= value < math.inf:
            raise self.error(expected)
        return float(value)

    def boolean(self, default: bool) -> bool:
        value = default if self.raw is None else self.raw
        if self._refers():
            value = BOOLEANS.get(self.text().lower())
        if not isinstance(value, bool):
            raise self.error("true or false")
        return value

    def json(self) -> Any:
        """The value with its variables expanded, if JSON can represent it."""
        if isinstance(self.raw, dict):
            return {key: value.json() for key, value in self.mapping().items()}
        if isinstance(self.raw, list):
            return [item.json() for item in self.items()]
        value = self._scalar()
        is_finite = not isinstance(value, float) or math.isfinite(value)
        if not isinstance(value, str | int | float | None) or not is_finite:
            raise self.error("a JSON value")
        return value

    def unset(self) -> tuple[str, ...]:
        """The unset variables that this value, or one inside it, refers to."""
        return tuple(dict.fromkeys(self._unset()))

    def without_unset(self) -> Value:
        """This value without the strings that refer to unset variables."""
        if isinstance(self.raw, dict):
            pruned = {key: value.without_unset() for key, value in self.mapping().items()}
            return replace(self, raw=pruned)
        if isinstance(self.raw, list):
            return replace(self, raw=[v for v in self.items() if v.raw is None or not v.unset()])
        return replace(self, raw=None) if self.unset() else self

    def error(self, expected: str, *, got: str | None = None, secret: bool = False) -> ValueError:
        """An error about this value. `got` replaces the value; of a secret, only the type is shown."""
        got = self._described(secret) if got is None else got
        return self.problem(f"expected {expected}, got {got}")

    def problem(self, what: str) -> ValueError:
        """An error about this value, with its line and key path."""
        line = f"line {self.line}: " if self.line else ""
        place = f"{self.path}: " if self.path else ""
        return ValueError(f"{line}{place}{what}")

    def _child(self, raw: Any, key: str | int) -> Value:
        if isinstance(raw, Value):
            return raw
        path = join(self.path, key)
        return Value(raw, self.environ, path, self.lines.get(path, self.line), self.lines)

    def _refers(self) -> bool:
        return isinstance(self.raw, str) and "${" in self.raw

    def _unset(self) -> Iterator[str]:
        if isinstance(self.raw, dict):
            for value in self.mapping().values():
                yield from value._unset()
        elif isinstance(self.raw, list):
            for item in self.items():
                yield from item._unset()
        elif self._refers():
            if "${" in REFERENCE.sub("", self.raw):
                raise self.error("${NAME} or ${NAME:-default}", got="another use of ${")
            for name, default in REFERENCE.findall(self.raw):
                if not self.environ.get(name) and not default:
                    yield name

    def _expanded(self) -> str:
        return REFERENCE.sub(
            lambda match: self.environ.get(match[1]) or (match[2] or "")[2:], self.raw
        )

    def _scalar(self) -> Any:
        """The value. A string that is only a variable may become a number or a boolean."""
        if not self._refers():
            return self.raw
        text = self.text()
        if not REFERENCE.fullmatch(self.raw):
            return text
        if number := NUMBER.fullmatch(text):
            return float(text) if number[1] else int(text)
        return {"true": True, "false": False}.get(text, text)

    def _described(self, secret: bool) -> str:
        if isinstance(self.raw, dict | list):
            return "a list" if isinstance(self.raw, list) else "a mapping"
        if self.raw is None:
            return "nothing"
        if isinstance(self.raw, str) and not self.unset():
            text = self._expanded()
            if not text:
                return "an empty string"
            if secret or "sk-" in text:
                return "a string"
            if not self._refers():
                return _shown(text)
            names = (name for name, _ in REFERENCE.findall(self.raw))
            if len(text) > SHOWN_FROM_ENVIRONMENT or any(map(SECRET.search, names)):
                return f"the value of {self.raw}"
            return f"{text!r} from {self.raw}"
        return f"a value of type {type(self.raw).__name__}" if secret else _shown(self.raw)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
