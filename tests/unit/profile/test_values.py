"""Values with key paths, lines and environment variables."""

from __future__ import annotations

import re
from typing import Any

import pytest

from claude_route.profile import values
from claude_route.profile import yaml_loader


def value(raw: Any, **environ: str) -> values.Value:
    return values.Value(raw, environ, "a.b")


@pytest.mark.parametrize(
    "raw, environ, text",
    [
        ("x", {}, "x"),
        ("${A}", {"A": "1"}, "1"),
        ("x-${A}-${B:-c}-${A}", {"A": "1"}, "x-1-c-1"),
        ("${A:-}", {}, ""),
        ("${A:-b:c/d}", {}, "b:c/d"),
        ("${A:-b}", {"A": ""}, "b"),
        ("${A:-b}", {"A": "${B}"}, "${B}"),
        ("$A {A} $", {"A": "1"}, "$A {A} $"),
    ],
)
def test_variables(raw: str, environ: dict[str, str], text: str) -> None:
    assert value(raw, **environ).text() == text


@pytest.mark.parametrize(
    "raw, environ, message",
    [
        ("${A}", {}, "${A} is not set"),
        ("x${B:-c}${A}", {"A": ""}, "${A} is not set"),
        ("${A", {"A": "1"}, "expected ${NAME} or ${NAME:-default}, got another use of ${"),
        ("${A-b}", {"A": "1"}, "expected ${NAME} or ${NAME:-default}, got another use of ${"),
        ("${1}", {"1": "1"}, "expected ${NAME} or ${NAME:-default}, got another use of ${"),
        (None, {}, "expected a string, got nothing"),
        (True, {}, "expected a string, got True"),
        (["sk-1"], {}, "expected a string, got a list"),
        ({"k": "sk-1"}, {}, "expected a string, got a mapping"),
    ],
)
def test_text_that_is_refused(raw: Any, environ: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"a.b: {message}")):
        value(raw, **environ).text()


@pytest.mark.parametrize(
    "raw, environ, seconds",
    [
        (None, {}, 10),
        (2, {}, 2),
        (0.5, {}, 0.5),
        ("${N:-60}", {}, 60),
        ("${N:-60}", {"N": "2.5"}, 2.5),
    ],
)
def test_seconds(raw: Any, environ: dict[str, str], seconds: float) -> None:
    assert value(raw, **environ).seconds(10) == seconds


@pytest.mark.parametrize(
    "raw",
    [0, -1, True, "60", "${N}", float("nan"), float("inf"), 10**400, [], {}, "${M}"],
)
def test_seconds_that_are_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"a\.b: expected a number of seconds above 0, got "):
        value(raw, N="soon", M="nan").seconds(10)


def test_zero_seconds_where_they_make_sense() -> None:
    assert value(0).seconds(10, may_be_zero=True) == 0
    with pytest.raises(ValueError, match="expected a number of seconds, got -1"):
        value(-1).seconds(10, may_be_zero=True)


@pytest.mark.parametrize(
    "raw, environ, is_on",
    [
        (None, {}, False),
        (True, {}, True),
        ("${ON:-false}", {}, False),
        ("${ON:-false}", {"ON": "true"}, True),
        ("${ON:-false}", {"ON": "1"}, True),
        ("${ON:-false}", {"ON": "No"}, False),
    ],
)
def test_boolean(raw: Any, environ: dict[str, str], is_on: bool) -> None:
    assert value(raw, **environ).boolean(False) is is_on


@pytest.mark.parametrize("raw", ["yes", 1, 0, "${ON}", []])
def test_boolean_that_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"a\.b: expected true or false, got "):
        value(raw, ON="maybe").boolean(False)


@pytest.mark.parametrize("raw", [0, 1.0, True, "1", "${N}", None])
def test_integer(raw: Any) -> None:
    at = value(raw, N="4.5")
    if raw is None:
        assert at.integer(4, expected="a whole number", least=1) == 4
        assert value("${N}", N="4").integer(1, expected="a whole number", least=1) == 4
    else:
        with pytest.raises(ValueError, match=r"a\.b: expected a whole number, got "):
            at.integer(4, expected="a whole number", least=1)


def test_choice() -> None:
    assert value(None).choice("x", "y", default="y") == "y"
    assert value("${A}", A="ROTATE").choice("rotate", default="rotate", any_case=True) == "rotate"
    with pytest.raises(ValueError, match=r"a\.b: expected x, y or z, got 'w'"):
        value("w").choice("x", "y", "z", default="x")
    with pytest.raises(ValueError, match=r"a\.b: expected x or y, got 'X'"):
        value("X").choice("x", "y", default="x")


@pytest.mark.parametrize(
    "raw, found",
    [
        ({"a": [1, 2.5, None, True, "x"]}, {"a": [1, 2.5, None, True, "x"]}),
        ({"a": "${N}"}, {"a": 32000}),
        ({"a": "${F}", "b": "${T}"}, {"a": -0.5, "b": True}),
        ({"a": "n=${N}"}, {"a": "n=32000"}),
        ("${LONG}", "1" * 40),
    ],
)
def test_json(raw: Any, found: Any) -> None:
    assert value(raw, N="32000", F="-0.5", T="true", LONG="1" * 40).json() == found


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: {b: 2020-01-01}", "a.b: expected a JSON value, got datetime.date"),
        ("a: [.inf]", "a[0]: expected a JSON value, got inf"),
        ("a: .nan", "a: expected a JSON value, got nan"),
        ("a: !!binary eA==", "a: expected a JSON value, got b'x'"),
        ("a: {1: b}", "a.1: expected a string, got 1"),
    ],
)
def test_json_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        values.Value(yaml_loader.load(text).raw, {}).json()


def test_a_mapping_with_other_keys() -> None:
    at = value({"x": 1, "yy": "sk-ant-1"})
    assert at["x"].path == "a.b.x"
    assert at["z"].raw is None
    with pytest.raises(ValueError, match=r"^a\.b\.yy: expected one of the keys x, y, got 'yy'$"):
        at.only("x", "y")
    with pytest.raises(ValueError, match=r"^a\.b: expected a mapping, got a string$"):
        value("x").only("x")


def test_unset_variables_are_found_and_left_out() -> None:
    at = value({"a": "${A}", "b": ["${B}", "x", "${A}"], "c": {"d": "${C:-}", "e": "${A}"}}, B="")
    assert at.unset() == ("A", "B")
    left = at.without_unset()
    assert left.unset() == ()
    assert left["a"].raw is None
    assert [item.raw for item in left["b"].items()] == ["x"]
    assert left["c"].json() == {"d": "", "e": None}


def test_a_value_inside_keeps_its_own_path() -> None:
    inner = values.Value({"url": 3}, {}, "model_list[0]")
    with pytest.raises(ValueError, match=r"^model_list\[0\]\.url: expected a string, got 3$"):
        value({"provider": inner})["provider"]["url"].text()


@pytest.mark.parametrize(
    "raw, environ, shown",
    [
        ("sk-ant-api03-x", {}, "a string"),
        ("short", {}, "'short'"),
        ("${A}", {"A": "rotat"}, "'rotat' from ${A}"),
        ("${A}", {"A": "sk-ant-api03-x"}, "a string"),
        ("${A}", {"A": "0123456789abcdef.0123456789abcdef"}, "the value of ${A}"),
        ("${ZAI_API_KEY}", {"ZAI_API_KEY": "short"}, "the value of ${ZAI_API_KEY}"),
        ("x${a_token:-}", {"a_token": "short"}, "the value of x${a_token:-}"),
        ("", {}, "an empty string"),
        ("x" * 500, {}, "'" + "x" * 79 + "…"),
    ],
)
def test_what_an_error_shows(raw: str, environ: dict[str, str], shown: str) -> None:
    assert str(value(raw, **environ).error("x")) == f"a.b: expected x, got {shown}"


@pytest.mark.parametrize(
    "raw, shown",
    [("hunter2", "a string"), (12345, "a value of type int"), (None, "nothing"), ("", "an empty")],
)
def test_a_secret_is_not_shown(raw: Any, shown: str) -> None:
    message = str(value(raw).error("a key", secret=True))
    assert message.startswith(f"a.b: expected a key, got {shown}")
    assert "hunter2" not in repr(value(raw, A="hunter2"))


@pytest.mark.parametrize(
    "path, message",
    [
        (("b", "c"), "line 3: b.c: expected a mapping, got 4"),
        (("b", "absent"), "line 2: b.absent: expected a mapping, got nothing"),
        (("b", "absent", "further"), "line 2: b.absent.further: expected a mapping, got nothing"),
        (("absent",), "absent: expected a mapping, got nothing"),
    ],
)
def test_an_error_names_the_line_of_its_key(path: tuple[str, ...], message: str) -> None:
    """For an absent key, the line of the mapping around it."""
    document = yaml_loader.load("a: 1\nb:\n  c: 4\nd: [5,\n  {e: 6}]")
    at = values.Value(document.raw, {}, lines=document.lines)
    for key in path:
        at = at[key]
    assert str(at.error("a mapping")) == message


def test_every_reader_names_the_line() -> None:
    document = yaml_loader.load("a: {}\nb: [x,\n  y]\nc: ${C}\nd: {1: x}\ne: ${E-x}\nf: {g: 1}")
    root = values.Value(document.raw, {}, lines=document.lines)
    for read, message in (
        (root["a"].items, "line 1: a: expected a list, got a mapping"),
        (root["b"].items()[1].mapping, "line 3: b[1]: expected a mapping, got a string"),
        (root["c"].text, "line 4: c: ${C} is not set"),
        (root["d"].mapping, "line 5: d.1: expected a string, got 1"),
        (root["e"].text, "line 6: e: expected ${NAME} or ${NAME:-default}, got another use of ${"),
        (lambda: root["f"].only("x"), "line 7: f.g: expected one of the keys x, got 'g'"),
        (lambda: root["f"]["g"].boolean(False), "line 7: f.g: expected true or false, got 1"),
        (
            lambda: root["f"]["g"].otherwise(2).choice("x", default="x"),
            "line 7: f.g: expected x, got 1",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            read()


def test_a_value_in_place_of_another_keeps_its_line() -> None:
    document = yaml_loader.load("a:\n  b:")
    at = values.Value(document.raw, {}, lines=document.lines)
    with pytest.raises(ValueError, match=r"^line 2: a\.b: expected a list, got 'x'$"):
        at["a"]["b"].otherwise("x").items()
    with pytest.raises(ValueError, match=r"^line 2: a\.b: expected a string, got nothing$"):
        at.without_unset()["a"]["b"].text()


def test_an_error_may_say_what_was_found() -> None:
    assert str(value("x").error("a name", got="'y'")) == "a.b: expected a name, got 'y'"
