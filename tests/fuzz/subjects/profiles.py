"""Profiles: any file is a profile that answers for every model, or is refused on one line that begins with
the file. An input is a file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from claude_route.profile import profiles

ENVIRON = {
    "ZAI_API_KEY": "zai-key-0123456789",
    "CLAUDE_OAUTH_TOKENS": "sk-ant-oat01-pool-0000000001-pol1,sk-ant-oat01-pool-0000000002-pol2",
    "CLAUDE_TOKEN_MODE": "rotate",
    "OPENROUTER_API_KEY": "or-key-0123456789",
    "A": "5",
    "EMPTY": "",
}
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-profiles-"))
MODELS = ("glm", "claude-opus-5-5", "claude-route/glm", "a/b/c", "", "*", "[1m]", "x[1m]", "\ud800")


def check(data: bytes) -> None:
    path = FOLDER / "fuzzed.yaml"
    path.write_bytes(data)
    profile = read(path)
    if profile is None:
        return
    for model in MODELS:
        profile.target(model)
        profile.candidates(model)
        profile.fallback_targets(model)
    profile.listed_models()
    assert profile == read(path)
    repr(profile)


def read(path: Path) -> profiles.Profile | None:
    try:
        return profiles.read(path, ENVIRON)
    except ValueError as e:
        message = str(e)
        assert message.startswith(f"{path}: "), "without its file"
        assert message.isprintable(), "more than one line"
        assert not any(secret in message for secret in ENVIRON.values() if len(secret) > 10)
        return None
