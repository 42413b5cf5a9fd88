from __future__ import annotations

import pytest

from claude_route.profile import pools
from claude_route.profile import values
from claude_route.profile import yaml_loader


def read(text: str, **environ: str) -> pools.Pool:
    loaded = yaml_loader.load(text) if text else None
    return pools.read(values.Value({"pool": loaded and loaded.raw}, environ)["pool"])


@pytest.mark.parametrize(
    "tokens, environ, found",
    [
        ("${T:-}", {}, ()),
        ("${T}", {}, ()),
        ("${T}", {"T": " a , b,,\n c ,a"}, ("a", "b", "c")),
        ("[a, b]", {}, ("a", "b")),
        ("['${T}', '${U}', c]", {"T": "a,b"}, ("a", "b", "c")),
        ("[]", {"CLAUDE_OAUTH_TOKENS": "a"}, ()),
        ("", {"CLAUDE_OAUTH_TOKENS": "a"}, ("a",)),
    ],
)
def test_pool_tokens(tokens: str, environ: dict[str, str], found: tuple[str, ...]) -> None:
    pool = read(f"tokens: {tokens}", **environ)
    assert pool.tokens == found
    assert "tokens" not in repr(pool)


NAMED = "alice=sk-ant-oat01-aaaa, sk-ant-api03-bbbb, bob@corp = sk-ant-oat01-cccc, key==, a=b"


@pytest.mark.parametrize(
    "tokens",
    [f"'{NAMED}'", f"[{', '.join(repr(part.strip()) for part in NAMED.split(','))}]", "${T}"],
)
def test_pool_tokens_with_names(tokens: str) -> None:
    pool = read(f"tokens: {tokens}", T=NAMED)
    secrets = ("sk-ant-oat01-aaaa", "sk-ant-api03-bbbb", "sk-ant-oat01-cccc", "key==", "a=b")
    assert pool.tokens == secrets
    assert pool.names == {secrets[0]: "alice", secrets[2]: "bob@corp"}
    assert "sk-ant" not in repr(pool)


def test_a_name_is_of_one_token() -> None:
    twice = "{tokens: [a=sk-ant-oat01-aaaa, sk-ant-oat01-aaaa, a=sk-ant-oat01-bbbb]}"
    with pytest.raises(ValueError, match=r"pool\.tokens\[2\]: two tokens have the name a$"):
        read(twice)


def test_a_profile_without_a_pool_takes_it_from_the_environment() -> None:
    pool = read("", CLAUDE_OAUTH_TOKENS="a,b", CLAUDE_TOKEN_MODE="PassThrough")
    assert pool == pools.Pool(("a", "b"), "passthrough", "session", 60)


@pytest.mark.parametrize("name", ["a/b", "é", "a b", "-a", "a" * 65, "", "a=b"])
@pytest.mark.parametrize("equals", ["=", " = "])
def test_a_name_that_is_none(name: str, equals: str) -> None:
    """It would be sent as a part of the token, and refused."""
    with pytest.raises(ValueError, match=r"^pool\.tokens: expected ") as refused:
        read("tokens: ${T}", T=f"sk-ant-oat01-aaaa, {name}{equals}sk-ant-oat01-bbbb")
    assert "bbbb" not in str(refused.value)
