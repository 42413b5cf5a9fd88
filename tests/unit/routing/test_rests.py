from __future__ import annotations

import pytest

from claude_route.routing import quota
from claude_route.routing import rests

NOW = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"


def resting(seconds: float, family: str | None = None, *, is_by_hand: bool = False) -> rests.Rests:
    made = rests.Rests()
    made.add(quota.Rest(NOW + seconds, family, "429"), NOW, is_by_hand=is_by_hand)
    return made


def probes(of: rests.Rests, *, until: float, every: float = 1.0) -> list[float]:
    """When requests that come this often are probes, in seconds from the beginning."""
    times = [every * n for n in range(1, int(until / every) + 1)]
    return [at for at in times if of.probe(OPUS, NOW + at)]


def test_it_never_gets_shorter() -> None:
    held = resting(100)
    assert held.add(quota.Rest(NOW + 7, None, "x"), NOW) == (
        quota.Rest(NOW + 100, None, "429"),
        False,
    )
    assert held.add(quota.Rest(NOW + 200, None, "x"), NOW) == (
        quota.Rest(NOW + 200, None, "x"),
        True,
    )
    assert held.left(NOW) == {None: 200}
    assert held.left(NOW + 200) == {}


@pytest.mark.parametrize(
    ("family", "model", "due"),
    [
        (None, OPUS, 9),
        (None, None, 9),
        ("opus", OPUS, 9),
        ("opus", SONNET, None),
        ("opus", None, None),
    ],
)
def test_due(family: str | None, model: str | None, due: float | None) -> None:
    assert resting(9, family).due(model) == (NOW + due if due else 0)


def test_a_short_rest_is_waited_for() -> None:
    assert probes(resting(HOUR), until=2 * HOUR) == []


def test_a_long_rest_is_probed_now_and_then_up_to_its_last_hour() -> None:
    assert probes(resting(2 * HOUR), until=2 * HOUR) == [300, 900, 1800, 2700]


def test_a_rest_of_days_is_probed_soon() -> None:
    seen = probes(resting(3 * DAY), until=HOUR)
    assert seen == [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1923, 2823]


def test_a_probe_in_vain_does_not_begin_from_the_start() -> None:
    held = resting(3 * DAY)
    assert held.probe(OPUS, NOW + 1000)
    held.add(quota.Rest(NOW + 3 * DAY + 1000, None, "429"), NOW + 1000)
    assert not held.probe(OPUS, NOW + 1001)
    assert held.probe(OPUS, NOW + 1002)


def test_only_the_models_that_it_is_for_are_probed() -> None:
    held = resting(3 * DAY, "opus")
    assert not held.probe(SONNET, NOW + 10)
    assert held.probe(OPUS, NOW + 10)


def test_a_short_rest_beside_a_long_one_is_waited_for() -> None:
    held = resting(3 * DAY, "opus")
    held.add(quota.Rest(NOW + 60, None, "429"), NOW)
    assert not held.probe(OPUS, NOW + 10)
    assert held.probe(OPUS, NOW + 61)


def test_a_rest_by_hand_is_kept() -> None:
    held = resting(3 * DAY, is_by_hand=True)
    held.probe_soon()
    assert not held.probe(OPUS, NOW + DAY)
    assert not held.answered(OPUS, NOW + DAY)


def test_probe_soon() -> None:
    held = resting(3 * HOUR)
    assert not held.probe(OPUS, NOW)
    held.probe_soon()
    assert held.probe(OPUS, NOW)
    assert not held.probe(OPUS, NOW)


@pytest.mark.parametrize(
    ("family", "model", "asked", "ends"),
    [
        (None, OPUS, 1, True),
        ("opus", OPUS, 1, True),
        ("opus", SONNET, 1, False),
        (None, OPUS, 0, False),  # it was sent before, and only answered now
        (None, OPUS, -5, False),
    ],
)
def test_an_answer_ends_it(family: str | None, model: str, asked: float, ends: bool) -> None:
    held = resting(3 * HOUR, family)
    assert held.answered(model, NOW + asked) is ends
    assert bool(held.left(NOW + asked)) is not ends


def test_clear() -> None:
    held = resting(60)
    held.clear()
    assert held.due(OPUS) == 0
