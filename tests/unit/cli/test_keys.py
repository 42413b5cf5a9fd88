from __future__ import annotations

import hashlib
import re

import pytest

from claude_route.cli import keys
from claude_route.profile import profiles


def test_keys_are_long_and_differ() -> None:
    made = {keys.make() for _ in range(20)}
    assert len(made) == 20
    # 256 bits, six of them in a character, and all that fit into headers and URLs as they are
    assert all(re.fullmatch(r"cr-[A-Za-z0-9_-]{43}", key) for key in made)


def test_text() -> None:
    text = keys.text("alice", "cr-x")
    assert text.count("cr-x") == 1
    assert "    PROXY_STATIC_TOKEN=cr-x\n" in text
    assert hashlib.sha256(b"cr-x").hexdigest() in text


def test_profiles_refuse_named_clients_today() -> None:
    """Once they don't, the printed text must change."""
    profile = "providers: {a: {base_url: 'http://x'}}\nmodels: {m: a/m}\nclients: {}"
    with pytest.raises(ValueError, match="clients: expected one of"):
        profiles.parse(profile, {}, "p.yaml")
    assert "A later version will have a key for each client" in keys.text("alice", "cr-x")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "-x", "a\n"])
def test_names_that_no_profile_could_hold(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name of letters"):
        keys.text(name, "cr-x")
