from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest

from claude_route.cli import notices


def test_warnings_about_requests_are_shown_once(tmp_path: Path) -> None:
    handler = notices.write_to(tmp_path)
    logger = logging.getLogger(notices.LOGGER)
    shown: list[str] = []
    reader = notices.Notices(tmp_path, shown.append, is_live=True)
    try:
        reader.look()
        for line in ("opus: zai/glm-5 429", "opus: zai/glm-5 429", "opus: kimi/k2 529"):
            logger.warning(line)
        logger.info("opus → zai/glm-5 · 1.2 s")
        logging.getLogger("claude_route.settings").warning("Provider zai cannot be used")
        reader.look()
        logger.warning("another")
        reader.look()
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert shown == ["opus: zai/glm-5 429", "opus: kimi/k2 529", "another"]


def test_the_last_are_shown_at_the_end(tmp_path: Path) -> None:
    shown: list[str] = []
    reader = notices.Notices(tmp_path, shown.append, is_live=False)
    reader.start()
    lines = [f"failure {number}\n" for number in range(8)]
    (tmp_path / notices.FILE).write_text("".join(lines) + "unfinished")
    reader.end()
    assert shown == [line.strip() for line in lines[-notices.MOST :]]


@pytest.mark.parametrize(
    ("is_terminal", "arguments", "expected"),
    [
        (True, [], True),
        (True, ["-p", "hello"], False),
        (True, ["--print", "hello"], False),
        (False, [], False),
    ],
)
def test_what_may_be_disturbed(
    is_terminal: bool, arguments: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    monkeypatch.setattr(sys, "stdin", Stream())
    monkeypatch.setattr(sys, "stderr", Stream())
    assert notices.may_disturb(arguments) is expected
