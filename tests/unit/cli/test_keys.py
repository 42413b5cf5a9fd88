from __future__ import annotations

import hashlib
import re
import textwrap

import pytest

from claude_route.cli import keys
from claude_route.profile import profiles


def test_keys_are_long_and_differ() -> None:
    made = {keys.make() for _ in range(20)}
    assert len(made) == 20
    # 256 bits, six of them in a character, and all that fit into headers and URLs as they are
    assert all(re.fullmatch(r"cr-[A-Za-z0-9_-]{43}", key) for key in made)


@pytest.mark.parametrize("name", ["alice", "bob@example.com", "ci-1", "42", "null", "No", "1e5"])
def test_profiles_accept_the_lines(name: str) -> None:
    key = keys.make()
    text = keys.text(name, key)
    assert text.count(key) == 1
    lines = textwrap.dedent(text[text.index("    clients:") :])
    profile = "providers: {a: {base_url: 'http://x'}}\nmodels: {m: a/m}\n" + lines
    (client,) = profiles.parse(profile, {}, "p.yaml").clients.values()
    assert client.name == name
    assert client.digests == (hashlib.sha256(key.encode()).digest(),)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "-x", "a\n", "shared", "x" * 65])
def test_names_that_no_profile_could_hold(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name of letters"):
        keys.text(name, "cr-x")
