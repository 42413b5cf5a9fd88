from __future__ import annotations

import pytest

from claude_route.pages import parameters

KNOWN = ("by", "since", "until", "format")


@pytest.mark.parametrize(
    ("pairs", "query"),
    [
        ([], {}),
        ([("by", "day"), ("since", "7d")], {"by": "day", "since": "7d"}),
        (
            [("by", "client"), ("since", "7d"), ("by", "model")],
            {"by": "client,model", "since": "7d"},
        ),
        ([("version", "")], {"version": ""}),
    ],
)
def test_values_of_one_name_are_a_list(pairs: list[tuple[str, str]], query: dict[str, str]) -> None:
    assert parameters.read(pairs) == query


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sicne", "some of by, since, until, format, got 'sicne': did you mean since?"),
        ("Since", "some of by, since, until, format, got 'Since': did you mean since?"),
        ("client", "some of by, since, until, format, got 'client'"),
        ("", "some of by, since, until, format, got ''"),
        ("x" * 10_000, f"some of by, since, until, format, got '{'x' * parameters.SHOWN}'"),
    ],
)
def test_a_parameter_that_a_page_does_not_know(name: str, message: str) -> None:
    parameters.check({"since": "7d", "by": ""}, KNOWN)
    with pytest.raises(ValueError, match="parameters: expected") as raised:
        parameters.check({"since": "7d", name: "7d"}, KNOWN)
    assert str(raised.value) == f"parameters: expected {message}"


def test_choice() -> None:
    assert parameters.choice({"format": "csv"}, "format", ("json", "csv")) == "csv"
    assert parameters.choice({}, "format", ("json", "csv")) == ""
    with pytest.raises(ValueError, match="format: expected json or csv, got 'xml'"):
        parameters.choice({"format": "xml"}, "format", ("json", "csv"))


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "²", "1234567", " 1"])
def test_number(value: str) -> None:
    assert parameters.number({"from": "050"}, "from") == 50
    assert parameters.number({"from": ""}, "from") == parameters.number({}, "from") == 0
    with pytest.raises(ValueError, match="from: expected a number, got"):
        parameters.number({"from": value}, "from")
