from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_route.dialects import call_ids


@pytest.mark.parametrize(
    "id", ["call_1", "toolu_01A-b", "route_x", "route_aGVsbG8", "route_", "route_é"]
)
def test_ids_that_fit_stay(id: str) -> None:
    assert call_ids.decode(id) == id


@given(st.text(min_size=1, max_size=30).filter(str.isprintable))
def test_ids_there_and_back(id: str) -> None:
    encoded = call_ids.encode(id)
    assert re.fullmatch("[a-zA-Z0-9_-]+", encoded)
    assert call_ids.decode(encoded) == id


def test_kimis_id() -> None:
    assert call_ids.encode("functions.Read:0") == "route_ZnVuY3Rpb25zLlJlYWQ6MA"


def test_hashed() -> None:
    assert call_ids.hashed("toolu_1", 9) == call_ids.hashed("toolu_1", 9)
    assert re.fullmatch("[a-zA-Z0-9]{9}", call_ids.hashed("toolu_1", 9))
    assert call_ids.hashed("toolu_1", 9) != call_ids.hashed("toolu_2", 9)


@given(st.text(max_size=90).filter(str.isprintable))
def test_short(id: str) -> None:
    short = call_ids.short(id)
    assert call_ids.is_fit(short)
    assert len(short) <= call_ids.LONGEST
    assert (short == id) == (call_ids.is_fit(id) and len(id) <= call_ids.LONGEST)
