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
    assert KEY not in repr(guard.Guard(KEY))


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
