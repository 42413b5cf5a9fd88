"""The pinned Claude Code sends what is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client_watch import __main__ as client_watch
from tests.wire import claude_code


@pytest.mark.client
@claude_code.needs_claude
def test_the_installed_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert claude_code.CLAUDE
    status = client_watch.watch(Path(claude_code.CLAUDE), tmp_path, update=False)
    out, _ = capsys.readouterr()
    assert status == 0, out
