from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import repair
from tests import growth

LS = {"command": "ls"}

WHOLE = [
    ('{"command": "ls"}', LS),
    # The last brackets, or quotation mark, are lost.
    ('{"command": "ls"', LS),
    ('{"command": "ls', LS),
    ('{"a": [1, {"b": 2', {"a": [1, {"b": 2}]}),
    ('{"a": {"b": "}"', {"a": {"b": "}"}}),
    ('{"a": "say \\"hi\\"', {"a": 'say "hi"'}),
    # The first brace is lost, or doubled, or both ends are.
    ('"command": "ls"}', LS),
    (' "command": "ls"', LS),
    ('{{"command": "ls"}', LS),
    ('{{"command": "ls"}}', LS),
    ('{ {"command": "ls"', LS),
    # Something follows the object.
    ('{"command": "ls"}}', LS),
    ('{"command": "ls"}\n</tool_call>', LS),
    ('{"command": "ls"}<|tool_call_end|>', LS),
    ('{"command": "ls"}"', LS),
    ('{"command": "ls"}{"command": "ls"}', LS),
    # It stands in a code fence, or in a string.
    ('```json\n{"command": "ls"}\n```', LS),
    ('```\n{"command": "ls"}```\n', LS),
    ('```json\n{"command": "ls"', LS),
    (' ``` {"command": "ls"} ``` ', LS),
    ('\n```{"command": "```"}\n\n```', {"command": "```"}),
    ('"{\\"command\\": \\"ls\\"}"', LS),
    # Line feeds, and Python.
    ('{"a": "b\nc"}', {"a": "b\nc"}),
    ('{"a": "b\nc"', {"a": "b\nc"}),
    ("{'command': 'ls', 'force': True, 'n': None}", LS | {"force": True, "n": None}),
]

NEVER = [
    "",
    "null",
    "[1]",
    "ls",
    '"command"',
    '{"command": ',
    '{"command"',
    '{"command": "ls",',
    '{"command": tru',
    '{"a": "b\\',
    '{"a": [1}',
    "{'a': {1, 2}}",
    "{'a': open('x')}",
    "{" * 5000,
    '{"a":' * 5000,
]


@pytest.mark.parametrize(("text", "value"), WHOLE)
def test_repaired(text: str, value: object) -> None:
    made = repair.repaired(text, is_whole=True)
    assert made is not None
    assert json.loads(made) == value


@pytest.mark.parametrize("filler", [" ", "\n", "`", "a", "``` ", "{", '"', "\\", "'"])
@pytest.mark.parametrize("start", ["", "```json x", "```", '{"a": "', "{'a': '"])
def test_work_grows_as_the_text_does(start: str, filler: str) -> None:
    def repaired(size: int) -> None:
        repair.repaired(start + filler * size + "y", is_whole=True)

    assert growth.of(repaired, 2000) < growth.LINEAR


@pytest.mark.parametrize("text", NEVER)
def test_nothing_is_made_up(text: str) -> None:
    assert repair.repaired(text, is_whole=True) is None


@pytest.mark.parametrize("text", ['{"command": "ls', '{"command": "ls"', '"command": "ls"'])
def test_what_is_cut_off_stays_so(text: str) -> None:
    """An answer that has reached its limit ends anywhere: `rm -rf /tmp` may have gone on."""
    assert repair.repaired(text, is_whole=False) is None


def test_what_is_good_stays_as_it_is() -> None:
    assert repair.repaired('{"a":  1.50}', is_whole=True) == b'{"a":  1.50}'


@pytest.mark.parametrize(
    ("text", "kept", "closing"),
    [
        ('{"a": 1}', '{"a": 1}', ""),
        ('{"a": 1}}', '{"a": 1}', ""),
        ('{"a": "}"}} {"b"', '{"a": "}"}', ""),
        ('{"a": "\\"}"} x', '{"a": "\\"}"}', ""),
        ('{"a": [', '{"a": [', "]}"),
        ('{"a": "b', '{"a": "b', '"}'),
        ('{"a": "b\\', '{"a": "b\\', ""),
        ('{"a": ]}', '{"a": ]}', ""),
        ('"a": 1}', '"a": 1}', ""),
    ],
)
def test_nesting_at_every_cut(text: str, kept: str, closing: str) -> None:
    for cut in range(len(text) + 1):
        nesting = repair.Nesting()
        assert nesting.feed(text[:cut]) + nesting.feed(text[cut:]) == kept
        assert nesting.closing() == closing
    nesting = repair.Nesting()
    assert "".join(map(nesting.feed, text)) == kept


JSON = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    ),
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(JSON, st.data())
def test_an_object_in_pieces_is_left_alone(value: object, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
    nesting = repair.Nesting()
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(map(nesting.feed, pieces)) == text
    assert nesting.is_over
    assert nesting.feed("}}") == ""


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text("ab"),
        st.lists(st.text("ab", min_size=1) | st.dictionaries(st.text("ab"), st.integers(0, 9))),
    )
)
def test_lost_brackets_come_back(value: object) -> None:
    text = json.dumps(value)
    ends = len(text) - len(text.rstrip('"]}'))
    for lost in range(1, ends + 1):
        cut = text[: len(text) - lost]
        if repair.closing(cut):
            assert json.loads(cut + repair.closing(cut)) == value


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ('{"a": "x\ny\tz"}', '{"a": "x\\ny\\tz"}'),
        ('{\n\t"a":\n1}', '{\n\t"a":\n1}'),
        ('{"a": "\x01"} rest', '{"a": "\\u0001"}'),
        ('{"a": "x\n', '{"a": "x\\n'),
    ],
)
def test_control_characters_in_strings_are_escaped(text: str, mended: str) -> None:
    for at in range(len(text) + 1):
        nesting = repair.Nesting()
        assert nesting.feed(text[:at]) + nesting.feed(text[at:]) == mended


@pytest.mark.parametrize("text", ['"{', "[", "x", "{x", "{ 1"])
def test_what_does_not_begin_an_object(text: str) -> None:
    assert repair.NO_BEGINNING.match(text)


@pytest.mark.parametrize("text", ["", " ", "{", '{"', "{}", "{\n", ' {"a'])
def test_what_may_begin_one(text: str) -> None:
    assert not repair.NO_BEGINNING.match(text)
