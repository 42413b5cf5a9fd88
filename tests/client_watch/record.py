"""What is known of what clients send, and how a client differs from it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.client_watch import traits

PATH = Path(__file__).with_name("known.json")

Record = dict[str, dict[str, dict[str, str]]]
"""Kind -> name -> listener -> the versions that send it: "2.1.330-" from that one on,
"2.1.330-2.1.340" to before the second. "~" in front: it depends on the server or on chance."""


class Difference(NamedTuple):
    listener: str
    trait: traits.Trait
    is_new: bool

    def __str__(self) -> str:
        verb = "now sends" if self.is_new else "no longer sends"
        return f"{self.listener} listener: the client {verb} {self.trait}"


def read(path: Path = PATH) -> Record:
    record: Record = json.loads(path.read_text())
    return record


def write(record: Record, path: Path = PATH) -> None:
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def differences(
    record: Record, listener: str, version: str, sent: Iterable[traits.Trait]
) -> list[Difference]:
    """Between what a version sends at one of the listeners and what is known of it, by name."""
    sent = set(sent)
    expected, possible = set(), set()
    for kind, names in record.items():
        for name, spans in names.items():
            span = spans.get(listener, "")
            if span and _covers(span, version):
                possible.add(traits.Trait(kind, name))
                if not span.startswith("~"):
                    expected.add(traits.Trait(kind, name))
    new = [Difference(listener, trait, True) for trait in sorted(sent - possible)]
    return new + [Difference(listener, trait, False) for trait in sorted(expected - sent)]


def updated(record: Record, listener: str, version: str, sent: Iterable[traits.Trait]) -> Record:
    """The record as it is once these differences are known.

    A version that sends something new begins a span, or moves its beginning back; one that doesn't
    send something ends its span. What a version has both sent and not sent comes and goes.
    """
    new: Record = {
        kind: {name: {**spans} for name, spans in names.items()} for kind, names in record.items()
    }
    for difference in differences(record, listener, version, sent):
        kind, name = difference.trait
        spans = new.setdefault(kind, {}).setdefault(name, {})
        first, last = _ends(spans.get(listener, f"{version}-"))
        if version == (last if difference.is_new else first):
            spans[listener] = f"~{first}-"
        elif difference.is_new:
            spans[listener] = f"{min(first, version, key=number)}-"
        else:
            spans[listener] = f"{first}-{version}"
    return new


def number(version: str) -> tuple[int, ...]:
    """2.1.330 -> (2, 1, 330). Raises ValueError."""
    return tuple(int(part) for part in version.split("."))


def _ends(span: str) -> tuple[str, str]:
    first, _, last = span.removeprefix("~").partition("-")
    return first, last


def _covers(span: str, version: str) -> bool:
    first, last = _ends(span)
    return number(first) <= number(version) and (not last or number(version) < number(last))


def summary(record: Mapping[str, Mapping[str, object]]) -> str:
    return ", ".join(f"{len(names)} {kind}" for kind, names in sorted(record.items()))
