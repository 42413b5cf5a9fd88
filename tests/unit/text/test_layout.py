from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_route.text import layout

LONG = "word " * 40


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("", ["  "], id="nothing"),
        pytest.param("a\n\nb\n", ["  a", "  ", "  b"], id="lines stay"),
        pytest.param("\ta", ["      a"], id="tab"),
        pytest.param("x" * 5000, ["  " + "x" * 5000], id="however long"),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    assert layout.lines(text, "  ") == lines


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        (None, [LONG.rstrip()]),
        (3, [LONG.rstrip()]),
        (2, [LONG[:152], "… 200 characters in all"]),
        (1, [LONG[:76], "… 200 characters in all"]),
    ],
)
def test_some(limit: int | None, shown: list[str]) -> None:
    assert layout.some(LONG, "", limit) == shown


def test_some_of_many_lines() -> None:
    assert layout.some("a\nb\nc", "  ", 2) == ["  a", "  b", "  … 5 characters in all"]


def test_some_of_megabytes_reads_only_the_beginning() -> None:
    text = "x" * 5_000_000
    assert layout.some(text, "", 2) == ["x" * 152, "… 5,000,000 characters in all"]


@pytest.mark.parametrize(("count", "limit"), [(10, 10), (11, 10), (1000, 10)])
def test_elide(count: int, limit: int) -> None:
    lines = [str(number) for number in range(count)]
    shown = layout.elide(lines, limit, head=3)
    assert len(shown) == min(count, limit)
    assert shown[:3] == lines[:3]
    assert shown[-1] == lines[-1]
    if count > limit:
        left_out = sum(map(len, lines[3 : count - 6]))
        assert shown[3].startswith(f"… {left_out:,} characters not shown")


def test_elide_in_the_middle_of_a_line() -> None:
    line = "a" * 76 + "b" * 760 + "c" * 76
    first, notice, last = layout.elide([line], 3, head=1)
    assert (first, last) == ("a" * 76, "c" * 76)
    assert notice.startswith("… 760 characters not shown")


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(2, 12), st.data())
def test_elide_keeps_to_the_limit(lengths: list[int], limit: int, data: st.DataObject) -> None:
    head = data.draw(st.integers(0, limit - 1))
    page = ["x" * length for length in lengths]
    shown = layout.elide(page, limit, head=head)
    assert layout.height(shown) <= max(limit, min(layout.height(page), limit))
    notices = [line for line in shown if line.startswith("…")]
    left_out = int(notices[0].split()[1].replace(",", "")) if notices else 0
    assert left_out + sum(map(len, shown)) - sum(map(len, notices)) == sum(lengths)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n  b\tc", "a b c"),
        ("x" * 20, "x" * 9 + "…"),
        ("a " * 1000, "a a a a a…"),
        ("a" + " " * 1000 + "b", "a…"),
        ("a\x1b[2Jé", "a\ufffd[2Jé"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert layout.one_line(text, 10) == line


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("é 考 🙂 …", "é 考 🙂 …"),
        ("a\n\r\x1b[2J\x9b\u202e\ud800b", "a\ufffd\ufffd\ufffd[2J\ufffd\ufffd\ufffdb"),
    ],
)
def test_visible(text: str, visible: str) -> None:
    assert layout.visible(text) == visible


def test_rule() -> None:
    assert layout.rule("system") == "── system ──"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\tb", "a\n\tb"),
        ("é 考 🙂 …\u00a0", "é 考 🙂 …\u00a0"),
        ("\u05d0\u200f\n", "\u05d0\u200f\n"),
        ("a\x9b31m\x9d\u202eb\u2066c", "a\ufffd31m\ufffd\ufffdb\ufffdc"),
    ],
)
def test_harmless(text: str, expected: str) -> None:
    assert layout.harmless(text) == expected
