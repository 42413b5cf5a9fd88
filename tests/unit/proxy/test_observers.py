from __future__ import annotations

from typing import Any

import pytest
from mitmproxy.test import tflow

from claude_route import responses
from claude_route.dialects import usage
from claude_route.proxy import contract
from claude_route.proxy import observers
from claude_route.routing import lessons
from tests.unit.flows import Progress
from tests.unit.flows import attempt
from tests.unit.flows import failed_attempt
from tests.unit.flows import routed

EVENTS: list[tuple[str, tuple[Any, ...]]] = [
    ("rejected", ()),
    ("began", ()),
    ("tries", (attempt(),)),
    ("failed", (failed_attempt(),)),
    ("opened", ()),
    ("committed", (attempt(), Progress())),
    ("learned", (attempt(), [lessons.Lesson("temperature")])),
    ("woke", (attempt(),)),
    ("unchecked", (attempt(), "client")),
    ("refused", (None,)),
    ("answered", (responses.error(400, "no"),)),
    ("interrupted", (attempt(), "gone")),
    ("closed", (usage.NONE, None)),
]
"""Each event, with what comes after the request."""


def recorder(events: list[Any]) -> contract.Observer:
    observer = contract.Observer()
    for name, _ in EVENTS:
        setattr(observer, name, lambda *values, name=name: events.append((name, *values)))
    return observer


class Broken(contract.Observer):
    """Raises at every event."""

    def __getattribute__(self, name: str) -> Any:
        if name in dict(EVENTS):
            raise RuntimeError(f"{name} is broken")
        return super().__getattribute__(name)


def test_every_event_is_known() -> None:
    names = {name for name in vars(contract.Observer) if not name.startswith("_")}
    assert {name for name, _ in EVENTS} == names


@pytest.mark.parametrize(("name", "values"), EVENTS, ids=lambda value: str(value)[:10])
def test_one_that_raises_harms_neither_the_request_nor_the_others(
    name: str, values: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    events: list[Any] = []
    request = routed(tflow.tflow())
    several = observers.Observers([recorder(events), Broken(), recorder(events)])
    getattr(several, name)(request, *values)
    assert events == [(name, request, *values)] * 2
    assert "Broken failed; the request goes on" in caplog.text
    assert f"{name} is broken" in caplog.text


@pytest.mark.parametrize(("name", "values"), EVENTS, ids=lambda value: str(value)[:10])
def test_an_observer_need_not_care(name: str, values: tuple[Any, ...]) -> None:
    assert getattr(contract.Observer(), name)(routed(tflow.tflow()), *values) is None
