"""Changes an input a little, and so that what reads it still gets past its beginning.

Bytes alone break JSON at the first brace. So the parts of an input are changed as what they are: JSON by
its values, events and lines as a whole, and anything at times as bytes.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

SEPARATOR = b"\n---\n"
"""Between the parts of an input that has several."""

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7.5, 1e308, 2**31, 2**63, 2**64, -(2**63) - 1, float("nan")),
    *(
        "",
        " ",
        "\n",
        "\0",
        "\x7f",
        "é",
        "\u2028",
        "\ud83d",
        "\ude00",
        "🙂",
        "\\u",
        "null",
        "1",
        "{}",
    ),
    *("a" * 300, "*", "..", "%00", "[1m]", "<think>", "</think>", "${A}", "${", "os.environ/A"),
    *([], {}, [[]], [None], [""], [{}], {"": None}, {"type": None}, {"type": []}),
)
BYTES = (
    *(
        b"\0",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\xff",
        b"\xef\xbb\xbf",
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
    ),
    *(
        b"]",
        b":",
        b",",
        b" ",
        b"\t",
        b"-",
        b"*",
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!",
        b"|\n",
        b"# ",
        b"%",
    ),
    *(b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"1e999", b"[" * 1200, b'{"a":' * 600, b"data: "),
)


class Mutator:
    """Makes new inputs out of those of a corpus."""

    def __init__(self, corpus: Iterable[bytes]) -> None:
        self._values: list[Any] = list(ODD)
        self._keys: list[str] = [""]
        self._lines: list[bytes] = [b""]
        self._parts: list[bytes] = [b""]
        for data in corpus:
            for part in data.split(SEPARATOR):
                self._parts.append(part)
                self._lines += part.splitlines()
                for value in _documents(part):
                    self._learn(value)

    def _learn(self, value: Any) -> None:
        for holder, key in _places([value]):
            self._values.append(holder[key])
            if isinstance(key, str):
                self._keys.append(key)

    def __call__(self, data: bytes, random: random.Random) -> bytes:
        parts = data.split(SEPARATOR)
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            at = random.randrange(len(parts))
            parts[at] = self._part(parts[at], random)
        return SEPARATOR.join(parts)

    def _part(self, part: bytes, random: random.Random) -> bytes:
        if random.random() < 0.02:
            return random.choice(self._parts)
        chance = random.random()
        if chance < 0.15:
            return self._bytes(part, random)
        if part.lstrip()[:1] in (b"{", b"["):
            return self._json(part, random)
        if chance < 0.6 and (data := re.findall(rb"^data: ?([{\[].*)$", part, re.MULTILINE)):
            chosen = random.choice(data)
            return part.replace(chosen, self._json(chosen, random), 1)
        if b"\n\n" in part and chance < 0.9:
            return _shuffled(part, b"\n\n", random, self._event)
        if chance < 0.9:
            return _shuffled(part, b"\n", random, self._line)
        return self._bytes(part, random)

    def _event(self, random: random.Random) -> bytes:
        events = random.choice(self._parts).split(b"\n\n")
        return random.choice(events)

    def _line(self, random: random.Random) -> bytes:
        line = random.choice(self._lines)
        if random.random() < 0.3:
            return self._bytes(line, random)
        if random.random() < 0.3:
            # The value of another line, in YAML, `.env` and headers.
            name, colon, _ = line.partition(b":")
            return name + colon + random.choice(self._lines).partition(b":")[2]
        return line

    def _bytes(self, data: bytes, random: random.Random) -> bytes:
        start = random.randint(0, len(data))
        end = min(len(data), start + random.choice((0, 0, 1, 2, 8, 100)))
        match random.randrange(4):
            case 0:
                middle = random.choice(BYTES)
            case 1:
                middle = random.randbytes(random.choice((1, 2, 4)))
            case 2:
                middle = data[start:end] * random.choice((0, 2, 3, 50))
            case _:
                line = random.choice(self._lines)
                middle = line[random.randint(0, len(line)) :][:40]
        return data[:start] + middle + data[end:]

    def _json(self, part: bytes, random: random.Random) -> bytes:
        try:
            root = [json.loads(part)]
        except (ValueError, RecursionError):
            return self._bytes(part, random)
        for _ in range(random.choice((1, 1, 2, 3))):
            self._change(root, random)
        try:
            text = json.dumps(root[0], ensure_ascii=random.random() < 0.5)
            return text.encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            return part

    def _change(self, root: list[Any], random: random.Random) -> None:
        holder, key = random.choice(list(_places(root)))
        value = holder[key]
        match random.randrange(9):
            case 0 | 1 | 2:
                holder[key] = _copied(random.choice(self._values))
            case 3:
                holder[key] = random.choice(([value], {"a": value}, str(value)[:99], [value] * 3))
            case 4 if holder is not root:
                del holder[key]
            case 5 if isinstance(holder, dict):
                holder[random.choice(self._keys)] = holder.pop(key)
            case 6 if isinstance(value, list):
                value.insert(random.randint(0, len(value)), _copied(random.choice(self._values)))
                random.shuffle(value)
            case 7 if isinstance(value, str):
                at = random.randint(0, len(value))
                odd = random.choice([each for each in ODD if isinstance(each, str)])
                holder[key] = value[:at] + odd + value[at + random.choice((0, 1, 5)) :]
            case _ if isinstance(value, dict):
                value[random.choice(self._keys)] = _copied(random.choice(self._values))
            case _ if isinstance(holder, list) and holder is not root:
                holder.insert(key, _copied(value))


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _documents(part: bytes) -> Iterator[Any]:
    """The JSON in a part: the whole, or the data of its events."""
    for text in (part, *re.findall(rb"^data: ?([{\[].*)$", part, re.MULTILINE)):
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            continue


def _places(root: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Every value in a document, as what holds it and the key or index there."""
    holders: list[Any] = [root]
    while holders:
        holder = holders.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                holders.append(holder[key])


def _shuffled(
    part: bytes,
    end: bytes,
    random: random.Random,
    another: Callable[[random.Random], bytes],
) -> bytes:
    """The part with one of its pieces taken out, doubled, moved or replaced, or with another one."""
    pieces = part.split(end)
    at = random.randrange(len(pieces))
    to = random.randrange(len(pieces))
    match random.randrange(5):
        case 0:
            del pieces[at]
        case 1:
            pieces.insert(to, pieces[at])
        case 2:
            pieces[at], pieces[to] = pieces[to], pieces[at]
        case 3:
            pieces[at] = another(random)
        case _:
            pieces.insert(at, another(random))
    return end.join(pieces)
