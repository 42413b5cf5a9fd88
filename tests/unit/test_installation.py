from __future__ import annotations

import os
import sys
from pathlib import Path

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
    assert {path.name for path in installation.SCRIPTS.glob("*.py")} == {
        "route.py",
        "run.py",
        "worker.py",
    }


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


def test_a_folder_for_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in (tmp_path, tmp_path / "a" / "b", "~/.mitmproxy"):
        assert installation.confdir_problem(str(folder)) == ""
    (tmp_path / "mitmproxy-ca.pem").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert installation.confdir_problem(str(tmp_path)) == ""
    assert installation.confdir_problem("~/.mitmproxy") == (
        f"confdir: {tmp_path}/.mitmproxy can't hold mitmproxy's certificates: it can't be written. "
        "Choose another folder: --set confdir=FOLDER"
    )


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "can't hold" in installation.confdir_problem(str(tmp_path / "file" / "conf"))
