from __future__ import annotations

import pytest

from claude_route.pages import chart

NOON = 1795867200.0  # 2026-11-28T12:00:00Z


@pytest.mark.parametrize(
    ("since", "until", "hourly", "first", "last", "count"),
    [
        (NOON - 2 * 86400, NOON, False, "2026-11-26", "2026-11-28", 3),
        (NOON, NOON, False, "2026-11-28", "2026-11-28", 1),
        (NOON - 3600, NOON, True, "2026-11-28T11", "2026-11-28T11", 1),
        (NOON - 3600, NOON + 1, True, "2026-11-28T11", "2026-11-28T12", 2),
        (NOON - 86400 / 2, NOON + 86400 / 2, False, "2026-11-28", "2026-11-28", 1),
        (-60_000_000_000.0, NOON, False, "2024-03-05", "2026-11-28", chart.MOST),
    ],
)
def test_slots(since: float, until: float, hourly: bool, first: str, last: str, count: int) -> None:
    found = chart.slots(since, until, hourly=hourly)
    assert (found[0], found[-1], len(found)) == (first, last, count)


def test_stacks() -> None:
    values = {("a", "x"): 1.0, ("a", "y"): 3.0, ("b", "x"): 2.0, ("elsewhere", "x"): 99.0}
    drawn = chart.chart(["a", "b", "c"], values, ["y", "x"])
    assert drawn.series == ("y", "x")
    assert drawn.top == 4
    assert [bar.total for bar in drawn.bars] == [4, 2, 0]
    assert drawn.bars[0].parts == (chart.Part(0, 25, 75), chart.Part(1, 0, 25))
    assert drawn.bars[1].parts == (chart.Part(1, 50, 50),)
    assert drawn.bars[2].parts == ()
    assert drawn.bars[-1].x + drawn.bars[-1].width <= chart.WIDTH


def test_there_are_only_so_many_colours() -> None:
    names = [f"m{number}" for number in range(9)]
    drawn = chart.chart(["a"], {("a", name): 1.0 for name in names}, names)
    assert drawn.series == ("m0", "m1", "m2", "m3", chart.OTHERS)
    assert [part.series for part in drawn.bars[0].parts] == [0, 1, 2, 3, 4]
    assert drawn.bars[0].parts[-1].height == pytest.approx(5 / 9 * 100, abs=0.01)


def test_nothing() -> None:
    drawn = chart.chart(["a"], {}, [])
    assert (drawn.top, drawn.bars[0].parts) == (0, ())
