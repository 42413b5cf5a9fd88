"""The metrics of several workers as one text: each series with the worker it is of.

Sums would be wrong: a worker that starts again begins at zero, which Prometheus sees only in its own series.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

HELP, TYPE = "# HELP ", "# TYPE "


def merged(texts: Mapping[int, bytes]) -> bytes:
    """`texts` by the workers' numbers."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for number, text in sorted(texts.items()):
        seen: set[str] = set()
        for family, line in _lines(text.decode()):
            if not line.startswith("#"):
                samples.setdefault(family, []).append(_labelled(line, number))
            elif family not in heads or family in seen:
                seen.add(family)
                heads.setdefault(family, []).append(line)
    lines = (line for name, head in heads.items() for line in (*head, *samples.get(name, ())))
    return "".join(f"{line}\n" for line in lines).encode()


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line with the metric that it is about."""
    family = ""
    for line in text.splitlines():
        if line.startswith((HELP, TYPE)):
            family = line.split(" ", 3)[2]
        if line:
            yield family, line


def _labelled(line: str, number: int) -> str:
    name, brace, rest = line.partition("{")
    if brace:
        return f'{name}{{worker="{number}",{rest}'
    name, _, value = line.partition(" ")
    return f'{name}{{worker="{number}"}} {value}'
