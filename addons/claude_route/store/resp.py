"""Commands as they go to Redis, and its answers: https://redis.io/docs/latest/develop/reference/protocol-spec/

The library's own way takes several times as long, which each request of a client with limits would wait for.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from typing import NamedTuple

type Argument = str | int | float | bytes
type Command = Sequence[Argument]

type Answer = bytes | int | Refusal | list[Answer] | None


class Refusal(NamedTuple):
    """An error, which is an answer as any other."""

    text: str


def packed(commands: Iterable[Command]) -> bytes:
    pieces: list[bytes] = []
    for command in commands:
        pieces.append(b"*%d\r\n" % len(command))
        for argument in command:
            text = argument if isinstance(argument, bytes) else str(argument).encode()
            pieces.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(pieces)


class Reader:
    """Puts answers together from whatever pieces they come in."""

    def __init__(self) -> None:
        self._text = b""

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that are whole now.

        Raises:
            ConnectionError: this is no answer of RESP2.
        """
        text = self._text + data if self._text else data
        at, answers = 0, []
        while at < len(text) and (read := _read(text, at)):
            answer, at = read
            answers.append(answer)
        self._text = text[at:]
        return answers


def _read(text: bytes, at: int) -> tuple[Answer, int] | None:
    """The answer that begins there, and where it ends; None if it isn't whole yet."""
    end = text.find(b"\r\n", at)
    if end < 0:
        return None
    kind, line, at = text[at : at + 1], text[at + 1 : end], end + 2
    if kind == b"+":
        return line, at
    if kind == b"-":
        return Refusal(line.decode("utf-8", "replace")), at
    try:
        number = int(line)
    except ValueError:
        number, kind = 0, b""
    if kind == b":":
        return number, at
    if kind == b"$":
        if number < 0:
            return None, at
        return (text[at : at + number], at + number + 2) if at + number + 2 <= len(text) else None
    if kind != b"*":
        raise ConnectionError(f"expected an answer of RESP2, got {text[at : at + 20]!r}")
    if number < 0:
        return None, at
    answers: list[Answer] = []
    for _ in range(number):
        read = _read(text, at)
        if read is None:
            return None
        answer, at = read
        answers.append(answer)
    return answers, at
