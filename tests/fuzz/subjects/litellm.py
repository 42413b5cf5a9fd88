"""LiteLLM configs: as profiles, and `claude-route import` writes a profile that means the same, or says that
it can't. An input is a config.yaml."""

from __future__ import annotations

from claude_route.cli import litellm_import
from claude_route.profile import profiles as reader
from tests.fuzz.subjects import profiles


def check(data: bytes) -> None:
    profiles.check(data)
    path = profiles.FOLDER / "config.yaml"
    path.write_bytes(data)
    try:
        text = litellm_import.profile_text(path, profiles.ENVIRON)
    except ValueError as e:
        assert str(e).startswith(f"{path}: "), "without its file"
        assert str(e).isprintable(), "more than one line"
        return
    written = profiles.FOLDER / "written.yaml"
    written.write_text(text)
    profile = reader.read(written, profiles.ENVIRON)
    assert profile.models == reader.read(path, profiles.ENVIRON).models
