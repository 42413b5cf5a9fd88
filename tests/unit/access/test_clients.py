from __future__ import annotations

import base64

import pytest

from claude_route.access import clients
from claude_route.profile import clients as profile_clients
from tests.unit.flows import ALICE
from tests.unit.flows import SHARED


@pytest.mark.parametrize(
    ("key", "mode", "expected"),
    [
        (None, None, (None, None)),
        ("tok", None, ("tok", None)),
        ("Bearer tok", None, ("tok", None)),
        ("bearer  tok ", "Rotate", ("tok", "rotate")),
        ("tok", " PASSTHROUGH ", ("tok", "passthrough")),
        ("tok, x-claude-token-mode: passthrough", None, ("tok", "passthrough")),
        ("Bearer tok,X-Claude-Token-Mode:Rotate", None, ("tok", "rotate")),
        ("tok, x-claude-token-mode: passthrough", "rotate", ("tok", "rotate")),
        ("tok, something: else", None, ("tok", None)),
        ("a,b", None, ("a,b", None)),
        ("a,b, x-claude-token-mode: rotate", None, ("a,b", "rotate")),
        ("", "", (None, None)),
    ],
)
def test_presented(
    key: str | None, mode: str | None, expected: tuple[str | None, str | None]
) -> None:
    assert clients.presented(key, mode) == expected


@pytest.mark.parametrize(
    ("key", "mode"), [(None, "both"), ("tok, x-claude-token-mode: x", None), ("tok", "rotate2")]
)
def test_unknown_mode_names_the_two(key: str | None, mode: str | None) -> None:
    with pytest.raises(ValueError, match="rotate or passthrough"):
        clients.presented(key, mode)


@pytest.mark.parametrize(
    ("candidate", "key", "ok"),
    [
        ("tok", "tok", True),
        ("tok", "tok2", False),
        ("", "", False),
        (None, "tok", False),
        ("", "tok", False),
        ("\udcff", "tok", False),
        ("é", "é", True),
    ],
)
def test_is_key(candidate: str | None, key: str, ok: bool) -> None:
    assert clients.is_key(candidate, key) is ok


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


@pytest.mark.parametrize(
    ("header", "password"),
    [
        (basic(b"user:tok"), "tok"),
        (basic(b":tok"), "tok"),
        (basic(b"user:a:b"), "a:b"),
        (basic(b"user"), None),
        (basic(b"user:"), None),
        (basic(b"user:\xff"), "\udcff"),
        ("basic !!", None),
        ("Bearer tok", None),
        ("", None),
        (None, None),
    ],
)
def test_basic_password(header: str | None, password: str | None) -> None:
    assert clients.basic_password(header) == password


def test_a_key_is_not_in_its_repr() -> None:
    assert "tok" not in repr(clients.Key("tok", "header"))


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        ("Bearer sk-ant-oat01-abcdefgh-wxyz", True),
        ("sk-ant-api03-abcdefgh-wxyz", True),
        ("Bearer key-of-a-gateway", True),
        ("company-gateway-key", True),
        ("client-key", True),
        (None, False),
        ("", False),
        ("Bearer", False),
        ("Bearer x", False),
        ("any", False),
        ("Bearer anything", False),
        ("dummy-key", False),
        ("sk-1234", False),
        ("not-needed", False),
        ("no-login", False),
        ("placeholder", False),
        ("your_api_key_here", False),
        ("xxxxxxxxxxxxxxxx", False),
    ],
)
def test_whether_a_client_has_a_login(credential: str | None, expected: bool) -> None:
    assert clients.is_login(credential) is expected


def test_entry() -> None:
    alice = profile_clients.Client("alice", ())
    assert clients.entry(clients.Client("alice", "header", alice)) is alice
    assert clients.entry(clients.Client("shared", "header")) is None
    assert clients.entry(None) is None


@pytest.mark.parametrize(("client", "name"), [(None, ""), (SHARED, ""), (ALICE, "alice")])
def test_own_name(client: clients.Client | None, name: str) -> None:
    assert clients.own_name(client) == name
