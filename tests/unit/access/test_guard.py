from __future__ import annotations

import pytest

from claude_route.access import clients
from claude_route.access import guard

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
