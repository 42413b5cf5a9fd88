"""Which pattern a name matches, and what its stars keep."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.profile import patterns


@pytest.mark.parametrize(
    "pattern, name, kept",
    [
        ("claude-*", "claude-opus-5-5", ("opus-5-5",)),
        ("claude-*", "claude-opus-5-5[1m]", ("opus-5-5[1m]",)),
        ("claude-*", "claude-", ("",)),
        ("claude-*", "claude", None),
        ("claude-*", "Claude-opus", None),
        ("*", "", ("",)),
        ("*", "a\nb", ("a\nb",)),
        ("*-free", "qwen/qwen3:x-free", ("qwen/qwen3:x",)),
        ("a*a", "a", None),
        ("a*a", "aa", ("",)),
        ("anthropic/*", "anthropic/claude-1", ("claude-1",)),
        ("*/*", "openrouter/qwen/qwen3", ("openrouter", "qwen/qwen3")),
        ("*-*-x", "a-b-c-x", ("a", "b-c")),
        ("a*b*c", "a1b2b3c", ("1", "2b3")),
        ("a*bc*c", "abc", None),
        ("gpt-*.[0-9]", "gpt-4.[0-9]", ("4",)),
        ("gpt-*.[0-9]", "gpt-4.1", None),
        ("claude-*", "claude-\ud83e", ("\ud83e",)),
    ],
)
def test_match(pattern: str, name: str, kept: tuple[str, ...] | None) -> None:
    assert patterns.match(pattern.split("*"), name) == kept


@settings(max_examples=200)
@given(st.text("ab*", max_size=6).filter(lambda text: "*" in text), st.text("ab", max_size=8))
def test_what_matches_is_filled_back(pattern: str, name: str) -> None:
    kept = patterns.match(pattern.split("*"), name)
    assert kept is None or patterns.fill(pattern, kept) == name


@settings(max_examples=200)
@given(st.text("ab*", max_size=6).filter(lambda text: "*" in text), st.lists(st.text("ab")))
def test_what_is_filled_matches(pattern: str, kept: list[str]) -> None:
    stars = [*kept, *("" for _ in pattern)][: pattern.count("*")]
    assert patterns.match(pattern.split("*"), patterns.fill(pattern, stars)) is not None


def test_a_long_name_does_not_backtrack() -> None:
    # A regular expression would backtrack endlessly.
    assert patterns.match(["a", "a", "a", "a", "a", "b", "a"], "a" * 100_000) is None


@pytest.mark.parametrize(
    "template, kept, filled",
    [
        ("glm-5", ("opus",), "glm-5"),
        ("*", ("opus",), "opus"),
        ("x-*-y", ("opus",), "x-opus-y"),
        ("*/*", ("a", "b"), "a/b"),
        ("*", ("a", "b"), "a"),
        ("*", ("*",), "*"),
    ],
)
def test_fill(template: str, kept: tuple[str, ...], filled: str) -> None:
    assert patterns.fill(template, kept) == filled


@pytest.mark.parametrize(
    "names, name, found",
    [
        (["claude-*", "claude-haiku-*"], "claude-haiku-4", "claude-haiku-*"),
        (["claude-haiku-*", "claude-*"], "claude-opus-4", "claude-*"),
        (["*", "claude-*", "claude-opus"], "claude-opus", "claude-opus"),
        (["claude-*-5", "claude-opu*"], "claude-opus-5", "claude-opu*"),
        (["*-opus", "claude*"], "claude-opus", "claude*"),
        (["c*", "*s"], "claude-opus", "c*"),
        (["*s", "c*"], "claude-opus", "*s"),
        (["*", "**"], "x", "*"),
        (["claude-*"], "claude-*", "claude-*"),
        (["glm"], "glm-5", None),
        ([], "glm", None),
    ],
)
def test_find_by_specificity(names: list[str], name: str, found: str | None) -> None:
    table = patterns.Table({each: each for each in names})
    result = table.find(name)
    assert (result and result[0]) == found
    assert list(table) == names


PREFIXED = patterns.Table(
    {"glm": 1, "kimi[1m]": 2, "claude-*": 3, "claude-route/qwen": 4, "claude-route/x-*": 5}
)


@pytest.mark.parametrize(
    "name, match",
    [
        ("claude-route/glm", (1, ())),
        ("claude-route/glm[1m]", (1, ())),
        ("claude-route/kimi", (2, ())),
        ("claude-route/kimi[1m]", (2, ())),
        ("claude-route/claude-opus-5-5", (3, ("opus-5-5",))),
        ("claude-route/claude-opus-5-5[1m]", (3, ("opus-5-5",))),
        ("claude-route/qwen", (4, ())),
        ("qwen", (4, ())),
        ("x-1", (5, ("1",))),
        ("claude-route/x-1", (5, ("1",))),
        ("claude-route/other", None),
        ("claude-route/", None),
    ],
)
def test_the_prefix_is_no_part_of_a_name(name: str, match: tuple[int, tuple[str, ...]]) -> None:
    assert PREFIXED.find(name) == match
    assert list(PREFIXED)[3] == "claude-route/qwen"


def test_an_entry_without_the_prefix_is_preferred() -> None:
    for entries in ({"claude-route/glm": 1, "glm": 2}, {"glm": 2, "claude-route/glm": 1}):
        assert patterns.Table(entries).find("claude-route/glm") == (2, ())


MARKED = patterns.Table(
    {"glm": 1, "kimi[1m]": 2, "qwen": 3, "qwen[1m]": 4, "claude-*": 5, "claude-opus-*[1M]": 6}
)


@pytest.mark.parametrize(
    "name, match",
    [
        ("glm", (1, ())),
        ("glm[1m]", (1, ())),
        ("glm[1M][1m]", (1, ())),
        ("kimi", (2, ())),
        ("kimi[1m]", (2, ())),
        ("qwen", (3, ())),
        ("qwen[1m]", (4, ())),
        ("claude-opus-5-5", (5, ("opus-5-5",))),
        ("claude-sonnet-5-5[1m]", (5, ("sonnet-5-5",))),
        ("claude-opus-5-5[1m]", (6, ("5-5",))),
        ("other[1m]", None),
    ],
)
def test_the_mark_is_no_part_of_a_name(name: str, match: tuple[int, tuple[str, ...]]) -> None:
    assert MARKED.find(name) == match
    assert list(MARKED)[1] == "kimi[1m]"
