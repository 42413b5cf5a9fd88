from __future__ import annotations

from pathlib import Path

import pytest

from claude_route.ledger import location


@pytest.mark.parametrize(
    ("state", "folder"),
    [
        ("/srv/state", "/srv/state/claude-route"),
        ("", "~/.local/state/claude-route"),
        ("relative", "~/.local/state/claude-route"),
    ],
)
def test_folder(state: str, folder: str) -> None:
    environ = {"XDG_STATE_HOME": state} if state else {}
    assert location.folder(environ) == Path(folder).expanduser()


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        (None, "sqlite:////srv/state/claude-route/ledger.db"),
        ("", ""),
        ("sqlite:///ledger.db", "sqlite:///ledger.db"),
        ("sqlite:///~/ledger.db", f"sqlite:///{Path.home()}/ledger.db"),
        ("postgresql://u:p@h/d", "postgresql://u:p@h/d"),
    ],
)
def test_url(setting: str | None, url: str) -> None:
    assert location.url(setting, {"XDG_STATE_HOME": "/srv/state"}) == url


@pytest.mark.parametrize(
    ("url", "file", "shown"),
    [
        ("sqlite:////var/ledger.db", Path("/var/ledger.db"), "/var/ledger.db"),
        ("sqlite:///ledger.db?x=1", Path("ledger.db"), "ledger.db"),
        ("postgresql://u:secret@db.example:5432/d", None, "postgresql://db.example:5432/d"),
        ("postgresql://u:secret@db.example/d?sslmode=x", None, "postgresql://db.example/d"),
        ("postgresql:///d", None, "postgresql:///d"),
    ],
)
def test_file_and_what_people_see(url: str, file: Path | None, shown: str) -> None:
    assert (location.file(url), location.shown(url)) == (file, shown)
