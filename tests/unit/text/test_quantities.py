from __future__ import annotations

import pytest

from claude_route.text import quantities


@pytest.mark.parametrize(
    "seconds,text",
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (2820, "47 min"),
        (3599, "1 h"),
        (3600, "1 h"),
        (11100, "3 h 5 min"),
        (86399, "1 d"),
        (86400, "1 d"),
        (187200, "2 d 4 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert quantities.duration(seconds) == text


@pytest.mark.parametrize(
    "value,text",
    [
        (0.0, "0 ms"),
        (0.85, "850 ms"),
        (0.9996, "1.0 s"),
        (4.12, "4.1 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert quantities.seconds(value) == text


@pytest.mark.parametrize("fraction,text", [(0.0, "0 %"), (0.346, "35 %"), (1.2, "120 %")])
def test_percent(fraction: float, text: str) -> None:
    assert quantities.percent(fraction) == text


@pytest.mark.parametrize(
    "value,text", [(0.0, "0"), (0.2, "0.2"), (12.44, "12.4"), (99.96, "100"), (140.2, "140")]
)
def test_rate(value: float, text: str) -> None:
    assert quantities.rate(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (21_349, "21.3k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (1_250_000, "1.2M"),
        (123_456_789, "123M"),
    ],
)
def test_short(number: int, text: str) -> None:
    assert quantities.short(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(999, "999 bytes"), (12_345, "12 KB"), (1_250_000, "1.2 MB")]
)
def test_size(number: int, text: str) -> None:
    assert quantities.size(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0.00"),
        (0.00001, "< $0.0001"),
        (0.00006, "$0.0001"),
        (0.0042, "$0.0042"),
        (0.09994, "$0.0999"),
        (0.09996, "$0.10"),
        (0.5, "$0.50"),
        (12.3, "$12.30"),
        (999.99, "$999.99"),
        (999.999, "$1,000"),
        (12345.6, "$12,346"),
    ],
)
def test_dollars(value: float, text: str) -> None:
    assert quantities.dollars(value) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 hits"), (1, "1 hit"), (2, "2 hits")])
def test_counted(number: int, text: str) -> None:
    assert quantities.counted(number, "hit") == text


def test_utc() -> None:
    assert quantities.utc(1_796_083_200.999) == "2026-12-01T00:00:00Z"
    assert quantities.utc(1_796_083_200.5, "milliseconds") == "2026-12-01T00:00:00.500Z"
