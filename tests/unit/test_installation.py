from __future__ import annotations

import sys

import pytest
from mitmproxy import version

import claude_route
from claude_route import installation


def test_versions() -> None:
    assert installation.versions() == (
        f"claude-route {claude_route.__version__} on mitmproxy {version.VERSION}, "
        f"Python {sys.version.split()[0]}"
    )


def test_what_comes_with_us() -> None:
    assert {"default.yaml", "team.yaml"} <= {path.name for path in installation.PROFILES.iterdir()}
    assert {path.name for path in installation.SCRIPTS.glob("*.py")} == {"route.py", "run.py"}


def test_nothing_is_missing_here() -> None:
    installation.require_libraries()
    assert installation.missing_libraries() == []


def test_missing_libraries_end_the_start_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        installation, "LIBRARIES", {"sys": "x", "no_such_module": "no-such-library"}
    )
    with pytest.raises(SystemExit, match="needs no-such-library, which") as ended:
        installation.require_libraries()
    assert "pipx inject mitmproxy no-such-library" in str(ended.value)
    assert "\n" not in str(ended.value)
