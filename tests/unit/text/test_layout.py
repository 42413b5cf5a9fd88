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
        pytest.param("x" * 74, ["  " + "x" * 74], id="just fits"),
        pytest.param("x" * 75, ["  " + "x" * 74, "  x"], id="no space to break at"),
        pytest.param("x" * 72 + " yyy", ["  " + "x" * 72, "  yyy"], id="broken at a space"),
        pytest.param("x " + "y" * 74, ["  x " + "y" * 72, "  yy"], id="not at an early one"),
    ],
)
def test_wrap(text: str, lines: list[str]) -> None:
    assert layout.wrap(text, "  ") == lines


@given(st.text(alphabet="ab \n\t", max_size=400))
def test_wrap_loses_nothing_and_keeps_to_the_width(text: str) -> None:
    lines = layout.wrap(text, "> ")
    assert all(line.startswith("> ") and len(line) <= layout.WIDTH for line in lines)
    assert "".join("".join(line[2:].split()) for line in lines) == "".join(text.split())


@pytest.mark.parametrize(
    ("limit", "lines"),
    [
        (None, 3),
        (3, 3),
        (2, 3),  # the last one says how much there is
        (1, 2),
    ],
)
def test_wrap_some(limit: int | None, lines: int) -> None:
    wrapped = layout.wrap_some(LONG, "", limit)
    assert len(wrapped) == lines
    assert wrapped[-1].startswith("… 200 characters") == (limit is not None and limit < 3)


def test_wrap_some_of_megabytes_reads_only_the_beginning() -> None:
    text = "x" * 5_000_000
    assert layout.wrap_some(text, "", 2) == ["x" * 76] * 2 + ["… 5,000,000 characters in all"]


@pytest.mark.parametrize(("count", "limit"), [(10, 10), (11, 10), (1000, 10)])
def test_elide(count: int, limit: int) -> None:
    lines = [str(number) for number in range(count)]
    shown = layout.elide(lines, limit, head=3)
    assert len(shown) == min(count, limit)
    assert shown[:3] == lines[:3]
    assert shown[-1] == lines[-1]
    if count > limit:
        kept = len(shown) - 1
        assert shown[3].startswith(f"… {count - kept:,} lines not shown")


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


def test_rule_is_as_wide_as_the_text() -> None:
    assert len(layout.rule("system")) == layout.WIDTH
