"""YAML texts as values with lines, and what is refused."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest

from claude_route.profile import yaml_loader


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: [", "line 1, column 5: invalid YAML: "),
        ("a: b: c", "line 1, column 5: invalid YAML: mapping values are not"),
        ("a: 1\n\tb: 2", "line 2, column 1: invalid YAML: "),
        ("a: *x", "line 1, column 4: invalid YAML: found undefined alias 'x'"),
        ("a: !!python/object:os.x {}", "line 1, column 4: invalid YAML: "),
        ("a: 1\n---\nb: 2", "line 2, column 1: invalid YAML: "),
        ("a: 1\nb: \x01", "line 2, column 4: invalid YAML: special characters"),
        ("a: 1\nb: 2\na: 3", "line 3: a: duplicate key (the first is on line 1)"),
        (
            "a: {b: [{c: 1, c: 2}]}",
            "line 1: a.b[0].c: duplicate key (the first is on line 1)",
        ),
        (
            '"a\\nb": {c: 1,\n  c: 2}',
            "line 2: 'a\\nb'.c: duplicate key (the first is on line 1)",
        ),
        ("a: 1\n? a\n: 2", "line 2: a: duplicate key (the first is on line 1)"),
        ("1: a\n0x1: b", "line 2: 1: duplicate key (the first is on line 1)"),
        (
            "x: &x {b: 1}\na: {<<: *x,\n  c: 1,\n  c: 2}",
            "line 4: a.c: duplicate key (the first is on line 3)",
        ),
        (
            "x: &x {b: 1}\na: {<<: *x,\n  <<: *x}",
            "line 3: a.<<: duplicate key (the first is on line 2)",
        ),
        ("a: 2020-13-45", "line 1, column 4: invalid YAML: not a valid timestamp"),
        ("a: !!int x", "line 1, column 4: invalid YAML: not a valid int"),
        ("a: !!int ''", "line 1, column 4: invalid YAML: not a valid int"),
        ("a: !!bool x", "line 1, column 4: invalid YAML: not a valid bool"),
        ("a: !!float x", "line 1, column 4: invalid YAML: not a valid float"),
        ("a: !!binary x", "line 1, column 4: invalid YAML: not a valid binary"),
        ("a: !!timestamp x", "line 1, column 4: invalid YAML: not a valid timest"),
        (f"a: {'9' * 5000}", "line 1, column 4: invalid YAML: not a valid int"),
        ("a: !!set {b}", "line 1, column 4: invalid YAML: an unknown tag"),
        ("a: !!map b", "line 1, column 4: invalid YAML: an unknown tag"),
        ("a: !!str {b: c}", "line 1, column 4: invalid YAML: an unknown tag"),
        ("a: !x b", "line 1, column 4: invalid YAML: an unknown tag"),
        ("a: {{b}}", "line 1, column 5: invalid YAML: a key that is a list or"),
        ("? [a]\n: b", "line 1, column 3: invalid YAML: a key that is a list or"),
        ("a: {<<: 1}", "line 1, column 9: invalid YAML: a `<<` that does not refer"),
        ("a: {<<: [1]}", "line 1, column 10: invalid YAML: a `<<` that does not"),
        ("%YAML 1.3\n---\na: 1", "expected YAML 1.2, got another version"),
        ("%YAML 2.0\n---\na: 1", "line 1, column 1: invalid YAML: "),
        ("[" * 101, "line 1: expected at most 100 levels of nesting, got more"),
        ("[" * 100_000, "line 1: expected at most 100 levels of nesting, got more"),
        ("a:\n- &x [*x]", "line 2: expected at most 100 levels of nesting, got more"),
        ("a: &x\n  <<: *x", "line 1: expected at most 100 levels of nesting, got more"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as e:
        yaml_loader.load(text)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "text",
    [
        "api_key: hunter2\napi_key: hunter3",
        "api_key: !!int hunter2",
        "api_key: !!timestamp hunter2",
        "api_key: !hunter2 x",
        "api_key: 'hunter2",
        "api_key: [hunter2\nb: c",
        "api_key: &a hunter2\nb: &a hunter3\nc: [",
    ],
)
def test_no_value_is_quoted(text: str) -> None:
    with warnings.catch_warnings(), pytest.raises(ValueError) as e:
        warnings.simplefilter("error")
        yaml_loader.load(text)
    assert "hunter" not in str(e.value)


@pytest.mark.parametrize(
    "text, raw",
    [
        ("", None),
        ("# nothing", None),
        ("--- \n...", None),
        ("a", "a"),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: &x {b: 1}\nc: {d: 2, <<: *x, b: 3}", {"a": {"b": 1}, "c": {"d": 2, "b": 3}}),
        ("<<: [{a: 1}, {a: 2, b: 3, <<: {c: 4}}]", {"a": 1, "b": 3, "c": 4}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
        ("1: a\n'1': b", {1: "a", "1": "b"}),
        ("a: !!str 1\nb: ! x", {"a": "1", "b": "x"}),
    ],
)
def test_load(text: str, raw: Any) -> None:
    assert yaml_loader.load(text).raw == raw


def test_a_hundred_levels_are_not_too_many() -> None:
    assert str(yaml_loader.load("[" * 100 + "]" * 100).raw) == "[" * 100 + "]" * 100


@pytest.mark.parametrize(
    "text, value",
    [
        ("yes", True),
        ("No", False),
        ("ON", True),
        ("off", False),
        ("true", True),
        ("FALSE", False),
        ("'no'", "no"),
        ("!!str no", "no"),
        ("&x !!str no", "no"),
        ("&x no", False),
        ("|-\n  no", "no"),
        ("y", "y"),
        ("n", "n"),
        ("none", "none"),
        ("oN", "oN"),
        ("~", None),
        ("", None),
        ("0x1f", 31),
        ("0o17", 15),
        ("017", 17),
        ("32_000", 32000),
        ("1e3", 1000.0),
        ("1:30", "1:30"),
        ("zai/glm:free", "zai/glm:free"),
        ("${A:-1}", "${A:-1}"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    """Those of YAML 1.2, and the booleans of 1.1, whatever a directive says."""
    for directive in ("", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n"):
        loaded = yaml_loader.load(f"{directive}a: {text}").raw["a"]
        assert (loaded, type(loaded)) == (value, type(value))


def test_words_that_are_booleans_as_values_are_text_as_keys() -> None:
    text = "yes: yes\nNo: No\non: on\noff: off"
    assert yaml_loader.load(text).raw == {"yes": True, "No": False, "on": True, "off": False}
    assert yaml_loader.load("true: 1").raw == {True: 1}


def test_lines() -> None:
    text = """\
# a comment
a: 1
b:
  c: &x
    - d
    - {e: 1,
       f: 2}
  "g h": |
    text
    more
  i: *x
2: {j: *x}
k: [1, 2]
l:
  <<: {m: 1,
       n: 2}
  n:
    3
"""
    assert yaml_loader.load(text).lines == {
        "a": 2,
        "b": 3,
        "b.c": 4,
        "b.c[0]": 5,
        "b.c[1]": 6,
        "b.c[1].e": 6,
        "b.c[1].f": 7,
        "b.g h": 8,
        "b.i": 11,
        "b.i[0]": 5,
        "b.i[1]": 6,
        "b.i[1].e": 6,
        "b.i[1].f": 7,
        "2": 12,
        "2.j": 12,
        "2.j[0]": 5,
        "2.j[1]": 6,
        "2.j[1].e": 6,
        "2.j[1].f": 7,
        "k": 13,
        "k[0]": 13,
        "k[1]": 13,
        "l": 14,
        "l.m": 15,
        "l.n": 17,
    }


NAMES = "abcdefgh"

LISTS = ", ".join(
    f"&{name} [{','.join([f'*{before}'] * 10 if before else ['1'] * 10)}]"
    for before, name in zip(["", *NAMES], NAMES, strict=False)
)
MERGES = ", ".join(
    f"&{name} {{<<: [{','.join([f'*{before}'] * 10 if before else ['{x: 1}'] * 10)}]}}"
    for before, name in zip(["", *NAMES], NAMES, strict=False)
)


@pytest.mark.parametrize("text", [LISTS, MERGES], ids=["lists", "merges"])
def test_aliases_do_not_stand_for_millions_of_values(text: str) -> None:
    message = r"^line 1: expected aliases that expand to at most 30,000 values, got more$"
    with pytest.raises(ValueError, match=message):
        yaml_loader.load(f"a: [{text}]")


def test_aliases_of_a_large_file_are_within_the_bound() -> None:
    """Two thousand models with the same defaults."""
    entry = "- {<<: *defaults, name: m%d}\n"
    text = "defaults: &defaults {a: 1, b: 2, c: 3, d: 4, e: 5}\nmodels:\n"
    loaded = yaml_loader.load(text + "".join(entry % number for number in range(2000))).raw
    assert loaded["models"][1999] == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "name": "m1999"}


@pytest.mark.parametrize("number", ["1" * 5000, "1" * 40, "0x" + "f" * 5000, "-" + "9" * 30])
def test_integers_that_are_too_large(number: str) -> None:
    with pytest.raises(ValueError, match="line 1, column 4: invalid YAML: not a valid int"):
        yaml_loader.load(f"a: {number}")


def test_a_text_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="expected at most 1,048,576 characters, got 1,048,577"):
        yaml_loader.load(" " * (yaml_loader.LONGEST + 1))
