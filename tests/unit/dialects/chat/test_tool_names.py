from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects.chat import tool_names

FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize("name", ["Read", "mcp__github__get-issue", "x" * 64])
def test_fitting_names_stay(name: str) -> None:
    assert tool_names.Names([name]).sent(name) == name


@pytest.mark.parametrize(
    "name, sent",
    [("x" * 65, "x" * 55 + "_9537c5fd"), ("a.b c", "a_b_c_8640d2e2"), ("", "_e3b0c442")],
)
def test_others_get_a_hash(name: str, sent: str) -> None:
    names = tool_names.Names([name])
    assert names.sent(name) == sent
    assert names.own(sent) == name


def test_names_of_the_history_come_later() -> None:
    names = tool_names.Names(["Read"])
    assert names.own(names.sent("gone.tool")) == "gone.tool"


def test_collision() -> None:
    taken = tool_names.Names([]).sent("a.b")
    names = tool_names.Names(["a.b", taken])
    assert names.sent(taken) == taken
    assert names.sent("a.b") != taken
    assert names.own(names.sent("a.b")) == "a.b"


def test_collision_with_a_name_of_the_history() -> None:
    names = tool_names.Names(["a.b"])
    taken = names.sent("a.b")
    assert names.sent(taken) != taken
    assert names.own(names.sent(taken)) == taken


@pytest.mark.parametrize(
    "name, own", [("functions.Read", "functions_Read"), ("x" * 200, "x" * 128)]
)
def test_invented(name: str, own: str) -> None:
    assert tool_names.Names(["Read"]).own(name) == own


@settings(max_examples=50)
@given(st.lists(st.text(max_size=70).filter(str.isprintable), unique=True, max_size=6))
def test_there_and_back(tools: list[str]) -> None:
    names = tool_names.Names(tools)
    sent = [names.sent(name) for name in tools]
    assert all(FITS.fullmatch(name) for name in sent)
    assert [names.own(name) for name in sent] == tools
    assert [tool_names.Names(reversed(tools)).sent(name) for name in tools] == sent
