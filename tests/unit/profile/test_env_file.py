from __future__ import annotations

import pytest

from claude_route.profile import env_file

TEXT = "# keys\nBARE\nexport A=1\n\nB='two words' # comment\nC=\"x$y\"\nD=\n"
VARIABLES = {"A": "1", "B": "two words", "C": "x$y", "D": ""}


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.encode("utf-8-sig"),
    ],
)
def test_variables(data: bytes) -> None:
    assert env_file.parse(data) == VARIABLES
    assert env_file.parse(b"") == {}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (TEXT.encode("utf-16"), "expected UTF-8, got UTF-16: save it as UTF-8"),
        (TEXT.encode("utf-16-be"), "expected UTF-8, got UTF-16: save it as UTF-8"),
        (TEXT.encode("utf-16-le"), "expected UTF-8, got UTF-16: save it as UTF-8"),
        (b"A=1\nB=caf\xe9", "line 2: expected UTF-8, got byte 0xe9"),
        (b"A=1\nPROXY_STATIC_TOKEN: secret\nB=2", "line 2: expected NAME=value"),
        (b"A=1\n\n\nPROXY STATIC TOKEN\n", "line 4: expected NAME=value"),
        (b"A=1\nPROXY_STATIC_TOKEN secret", "line 2: expected NAME=value"),
        (b"=secret", "line 1: expected NAME=value"),
        (b"A=1\nB='secret\n", "line 2: expected NAME=value"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        env_file.parse(data)
    assert str(refused.value) == problem
