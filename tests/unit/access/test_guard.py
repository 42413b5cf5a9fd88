from __future__ import annotations

import datetime
import hashlib
import hmac
from typing import Any

import pytest

from claude_route.access import clients
from claude_route.access import guard
from claude_route.profile import clients as profile_clients

KEY = "static-0123456789-tokn"


@pytest.mark.parametrize(
    ("key", "presented", "expected"),
    [
        (KEY, clients.Key(KEY, "header"), clients.Client("shared", "header")),
        (KEY, clients.Key(KEY, "proxy password"), clients.Client("shared", "proxy password")),
        (KEY, clients.Key(KEY, "basic"), clients.Client("shared", "basic")),
        (KEY, clients.Key("wrong", "header"), None),
        (KEY, clients.Key("", "header"), None),
        (KEY, None, None),
        (None, clients.Key(KEY, "header"), None),
        (None, None, None),
    ],
)
def test_client(
    key: str | None, presented: clients.Key | None, expected: clients.Client | None
) -> None:
    assert guard.Guard(key).client(presented) == expected


NEXT = "static-9876543210-next"


@pytest.mark.parametrize(
    ("presented", "expected"),
    [
        ([KEY], 0),
        ([NEXT], 0),
        (["wrong", KEY], 1),
        ([None, "wrong", NEXT, KEY], 2),
        (["wrong", ""], None),
        ([], None),
    ],
)
def test_two_keys_at_once_in_any_place(presented: list[str | None], expected: int | None) -> None:
    kinds: list[clients.KeyKind] = ["header", "proxy password", "bearer", "x-api-key"]
    found = [
        clients.Key(key, kind) if key is not None else None
        for key, kind in zip(presented, kinds, strict=False)
    ]
    client = guard.Guard(KEY, next_key=NEXT).client(*found)
    assert client == (None if expected is None else clients.Client("shared", kinds[expected]))


def test_every_candidate_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str | None, str]] = []
    real = clients.is_key

    def is_key(candidate: str | None, key: str) -> bool:
        compared.append((candidate, key))
        return real(candidate, key)

    monkeypatch.setattr(clients, "is_key", is_key)
    presented = [clients.Key(KEY, "header"), clients.Key("wrong", "bearer")]
    guard.Guard(KEY, next_key=NEXT).client(*presented)
    assert compared == [(KEY, KEY), (KEY, NEXT), ("wrong", KEY), ("wrong", NEXT)]


@pytest.mark.parametrize(
    ("key", "next_key", "expected"),
    [(None, None, False), (KEY, None, True), (None, NEXT, True), (KEY, NEXT, True)],
)
def test_needs_key(key: str | None, next_key: str | None, expected: bool) -> None:
    made = guard.Guard(key, next_key=next_key)
    assert made.needs_key is expected
    assert made.accepts(is_outside=True) is expected
    assert not made.has("")


@pytest.mark.parametrize(
    ("key", "is_open", "is_outside", "expected"),
    [
        (None, False, False, True),
        (None, False, True, False),
        (KEY, False, True, True),
        (None, True, True, True),
    ],
)
def test_accepts(key: str | None, is_open: bool, is_outside: bool, expected: bool) -> None:
    assert guard.Guard(key, is_open).accepts(is_outside=is_outside) is expected


def test_the_key_is_not_in_its_repr() -> None:
    shown = repr(guard.Guard(KEY, next_key=NEXT))
    assert KEY not in shown
    assert NEXT not in shown


@pytest.mark.parametrize(
    ("hosts", "has_key", "is_open", "ok"),
    [
        (["127.0.0.1", "::1"], False, False, True),
        (["127.0.0.1", "0.0.0.0"], False, False, False),
        ([""], False, False, False),
        (["0.0.0.0"], True, False, True),
        (["0.0.0.0"], False, True, True),
    ],
)
def test_check_listeners(hosts: list[str], has_key: bool, is_open: bool, ok: bool) -> None:
    settings = guard.Guard("key" if has_key else None, is_open)
    if ok:
        settings.check_listeners(hosts)
    else:
        with pytest.raises(ValueError, match="PROXY_STATIC_TOKEN"):
            settings.check_listeners(hosts)


ALICE, BOB, EXPIRED = "cr-alice-0123456789", "cr-bob-0123456789", "cr-late-0123456789"
LAST = datetime.date(2026, 11, 27)


def named(name: str, *keys: str, **rights: Any) -> profile_clients.Client:
    digests = tuple(hashlib.sha256(key.encode()).digest() for key in keys)
    return profile_clients.Client(name, digests, **rights)


NAMED = (
    named("alice", ALICE, "cr-alice-new"),
    named("bob", BOB, is_admin=True),
    named("late", EXPIRED, expires=LAST),
)


def with_clients(today: datetime.date = LAST, key: str | None = KEY) -> guard.Guard:
    return guard.Guard(key, named=NAMED, today=lambda: today)


@pytest.mark.parametrize(
    ("secret", "name", "is_admin"),
    [
        (ALICE, "alice", False),
        ("cr-alice-new", "alice", False),
        (BOB, "bob", True),
        (KEY, "shared", True),
        (EXPIRED, "late", False),
    ],
)
@pytest.mark.parametrize("kind", ["header", "proxy password", "bearer", "x-api-key", "basic"])
def test_named_clients(secret: str, name: str, is_admin: bool, kind: clients.KeyKind) -> None:
    made = with_clients()
    client = made.client(clients.Key("wrong", "header"), None, clients.Key(secret, kind))
    assert client and (client.name, client.key_kind, client.is_admin) == (name, kind, is_admin)
    assert made.has(secret)
    assert made.expired(clients.Key(secret, kind)) is None


@pytest.mark.parametrize("secret", ["", "cr-", ALICE + "x", ALICE.upper(), "\udcff", "é"])
def test_keys_that_nobody_has(secret: str) -> None:
    made = with_clients()
    assert made.client(clients.Key(secret, "header")) is None
    assert not made.has(secret)


def test_the_digest_is_no_key() -> None:
    digest = hashlib.sha256(ALICE.encode()).hexdigest()
    assert with_clients().client(clients.Key(digest, "header")) is None
    assert with_clients().client(clients.Key(f"sha256:{digest}", "header")) is None


def test_an_expired_key() -> None:
    made = with_clients(LAST + datetime.timedelta(days=1))
    key = clients.Key(EXPIRED, "bearer")
    assert made.client(key) is None
    assert made.has(EXPIRED), "it is still ours, and nobody else may see it"
    assert made.expired(None, clients.Key("wrong", "header"), key) == NAMED[2]
    other = made.client(key, clients.Key(ALICE, "x-api-key"))
    assert other and other.name == "alice"


def test_every_digest_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for secret in (ALICE, EXPIRED, "wrong"):
        compared.clear()
        with_clients(key=None).client(clients.Key(secret, "header"))
        assert compared == [digest for client in NAMED for digest in client.digests]


@pytest.mark.parametrize(
    ("made", "needs_key"),
    [
        (guard.Guard(named=NAMED), True),
        (guard.Guard(named=()), False),
        (guard.Guard(is_locked=True), True),
    ],
)
def test_clients_are_keys(made: guard.Guard, needs_key: bool) -> None:
    assert made.needs_key is needs_key
    assert made.accepts(is_outside=True) is needs_key
    if needs_key:
        made.check_listeners(["0.0.0.0"])
    assert made.client(clients.Key("", "header")) is None


def test_no_digest_is_in_its_repr() -> None:
    assert hashlib.sha256(ALICE.encode()).hexdigest() not in repr(with_clients())
    assert repr(NAMED[0].digests[0]) not in repr(with_clients())
