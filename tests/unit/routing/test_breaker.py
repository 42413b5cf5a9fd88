from __future__ import annotations

import pytest

from claude_route.routing import breaker
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def targets(clock: Clock) -> breaker.Breaker:
    return breaker.Breaker(clock)


def test_three_failures_running_skip_for_30_s(targets: breaker.Breaker, clock: Clock) -> None:
    seen = []
    for _ in range(3):
        targets.failed("zai/glm-5")
        seen.append(targets.is_open("zai/glm-5"))
        clock.now += 1
    assert seen == [False, False, True]
    assert not targets.is_open("kimi/kimi-for-coding")
    clock.now = 1002 + 29.9
    assert targets.is_open("zai/glm-5")
    clock.now = 1002 + 30
    assert not targets.is_open("zai/glm-5")


def test_left(targets: breaker.Breaker, clock: Clock) -> None:
    targets.failed("a")
    assert targets.left("a") == 0
    targets.failed("a")
    targets.failed("a")
    assert targets.left("a") == 30
    clock.now += 29
    assert targets.left("a") == 1
    clock.now += 2
    assert targets.left("a") == 0


def test_one_more_failure_after_the_30_s_skips_again(
    targets: breaker.Breaker, clock: Clock
) -> None:
    for _ in range(3):
        targets.failed("a")
    clock.now += 31
    targets.failed("a")
    assert targets.is_open("a")


def test_a_success_clears(targets: breaker.Breaker) -> None:
    targets.failed("a")
    targets.failed("a")
    targets.succeeded("a")
    targets.failed("a")
    assert not targets.is_open("a")
    targets.failed("a")
    targets.failed("a")
    assert targets.is_open("a")
    targets.succeeded("a")
    assert not targets.is_open("a")


def test_answers_count_for_ten_minutes(targets: breaker.Breaker, clock: Clock) -> None:
    assert not targets.has_answered("a")
    targets.succeeded("a")
    targets.failed("a")
    clock.now += 599
    assert targets.has_answered("a")
    clock.now += 1
    assert not targets.has_answered("a")


def test_answers_are_bounded(targets: breaker.Breaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "MAX_TARGETS", 2)
    for target in ("a", "b", "a", "c"):
        targets.succeeded(target)
    assert [target for target in "abc" if targets.has_answered(target)] == ["a", "c"]


def test_success_of_an_unknown_target_is_nothing(targets: breaker.Breaker) -> None:
    targets.succeeded("a")
    assert not targets.is_open("a")


def test_bounded_and_the_oldest_goes_first(
    targets: breaker.Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "MAX_TARGETS", 2)
    for target in ("a", "b"):
        for _ in range(3):
            targets.failed(target)
    targets.failed("a")
    targets.failed("c")
    assert targets.is_open("a")
    assert not targets.is_open("b")


def test_one_client_alone_has_a_target_skipped_for_itself_only(targets: breaker.Breaker) -> None:
    for _ in range(50):
        targets.failed("a", "mallory")
    assert targets.is_open("a", "mallory")
    assert targets.is_open("a")
    assert not targets.is_open("a", "alice")
    targets.failed("a", "alice")
    assert not targets.is_open("a", "alice")
    targets.failed("a", "alice")
    assert targets.is_open("a", "alice")
    targets.succeeded("a")
    assert not targets.is_open("a", "mallory")


def test_three_clients_have_it_skipped_for_all(targets: breaker.Breaker) -> None:
    for client in ("alice", "bob", "carol"):
        assert not targets.is_open("a", "dave")
        targets.failed("a", client)
    assert targets.is_open("a", "dave")
    assert targets.is_open("a", "alice")


def test_clients_are_not_remembered_without_end(targets: breaker.Breaker) -> None:
    for number in range(2 * breaker.MAX_CLIENTS):
        targets.failed("a", f"client {number}")
    assert len(targets._failures["a"].running) == breaker.MAX_CLIENTS
    assert targets.is_open("a", "another")
