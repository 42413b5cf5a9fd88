"""How what is known about a token is written down: as fields of a hash in Redis, and of an object in a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from collections.abc import Mapping

from claude_route.routing import health
from claude_route.routing import quota

REST = "rest:"
"""With the model family after it; nothing: all models."""

WINDOW = "window:"
DISABLED = "disabled"


def fields(report: health.Health) -> dict[str, str]:
    written = {field(held): value(held) for held in report.rests}
    written |= windows(report.windows)
    if report.disabled is not None:
        written[DISABLED] = report.disabled
    return written


def field(held: health.Held) -> str:
    return f"{REST}{held.rest.family or ''}"


def value(held: health.Held) -> str:
    return json.dumps([held.rest.until, held.since, held.is_by_hand, held.rest.reason])


def windows(used: Mapping[str, quota.Window]) -> dict[str, str]:
    return {
        f"{WINDOW}{name}": json.dumps(
            [window.utilisation, window.reset if math.isfinite(window.reset) else None]
        )
        for name, window in used.items()
    }


def read(fields: Mapping[str, str]) -> health.Health:
    """What cannot be read is left out."""
    return health.Health(tuple(_rests(fields)), fields.get(DISABLED), dict(_windows(fields)))


def _rests(fields: Mapping[str, str]) -> Iterator[health.Held]:
    for name, text in fields.items():
        if not name.startswith(REST):
            continue
        match _list(text):
            case [float() | int() as until, float() | int() as since, bool(by_hand), str(reason)]:
                rest = quota.Rest(float(until), name.removeprefix(REST) or None, reason)
                yield health.Held(rest, float(since), by_hand)


def _windows(fields: Mapping[str, str]) -> Iterator[tuple[str, quota.Window]]:
    for name, text in fields.items():
        if not name.startswith(WINDOW):
            continue
        match _list(text):
            case [float() | int() as used, float() | int() | None as reset]:
                until = math.inf if reset is None else float(reset)
                yield name.removeprefix(WINDOW), quota.Window(float(used), until)


def _list(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
