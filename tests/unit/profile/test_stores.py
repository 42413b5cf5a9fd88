from __future__ import annotations

import pytest

from claude_route.profile import stores
from claude_route.profile import values


def value(raw: object) -> values.Value:
    return values.Value({"store": raw}, {"REDIS": "redis://:word@host/2"})["store"]


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        (None, None),
        (False, ""),
        ("off", ""),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://me:word@host", "rediss://me:word@host"),
        ("valkey://host:1/3", "redis://host:1/3"),
        ("valkeys://host", "rediss://host"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("${REDIS}", "redis://:word@host/2"),
    ],
)
def test_valid(raw: object, url: str | None) -> None:
    assert stores.read(value(raw)) == url


@pytest.mark.parametrize(
    "raw",
    [
        *("host:6379", "http://host", "redis://", "redis:///0", "redis://host/name"),
        *("redis://host:0", "redis://host:x", "unix://", "unix://host/path", 3, True),
        *("redis://:wo/rd@host", "redis://me:1#rd@host", "redis://me:1?rd@host/0"),
    ],
)
def test_invalid(raw: object) -> None:
    with pytest.raises(ValueError, match="store: expected off, or a URL") as refused:
        stores.read(value(raw))
    assert "word" not in str(refused.value).replace(":password@", "")
