from __future__ import annotations

from claude_route.store import names

SECRET = "sk-ant-oat01-store-00000001-tok1"


def test_digests_are_equal_everywhere_and_hold_nothing_of_the_secret() -> None:
    assert len(names.digest(SECRET)) == 32
    assert names.digest(SECRET) != names.digest(SECRET[:-1])
    assert SECRET[-4:] not in names.digest(SECRET)


def test_a_threads_client_and_message_are_told_apart() -> None:
    assert names.thread("a", "bc") != names.thread("ab", "c")


def test_all_keys_begin_alike() -> None:
    keys = [
        *(names.CHANGED, names.EPOCH, names.TURN, names.INSTANCE, names.token("x")),
        *(names.session("x"), names.thread("x", "y"), names.client("x"), names.metrics("x", 1)),
    ]
    assert all(key.startswith("claude-route:1:") for key in keys)
    assert len(set(keys)) == len(keys)
