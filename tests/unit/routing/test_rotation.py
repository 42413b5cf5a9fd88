from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import rule

from claude_route import targets
from claude_route.dialects.error_body import Fault
from claude_route.routing import pool_tokens
from claude_route.routing import quota
from claude_route.routing import rotation
from tests.clocks import Clock

NOW = 1_800_000_000.0
U = "anthropic-ratelimit-unified-"
SECRETS = [f"sk-ant-oat01-{'x' * 20}-{name}" for name in ("aaaa", "bbbb", "cccc")]
REVOKED = Fault("authentication_error", "OAuth token has been revoked")


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def pool(clock: Clock) -> rotation.Pool:
    return rotation.Pool(SECRETS, clock=clock)


def make(clock: Clock, strategy: targets.Strategy) -> rotation.Pool:
    return rotation.Pool(SECRETS, strategy=strategy, clock=clock)


def places(pool: rotation.Pool, requests: int, session: str | None = None) -> list[int]:
    tokens = [pool.pick(session) for _ in range(requests)]
    return [token.place for token in tokens if token]


def used(five_hour: float, seven_day: float = 0.0, left: float = 3600) -> dict[str, str]:
    return {
        f"{U}5h-utilization": str(five_hour),
        f"{U}5h-reset": f"{NOW + left:.0f}",
        f"{U}7d-utilization": str(seven_day),
    }


class TestPick:
    @pytest.mark.parametrize("strategy", ["session", "round-robin", "least-used"])
    def test_six_requests_without_a_session(self, clock: Clock, strategy: targets.Strategy) -> None:
        assert places(make(clock, strategy), 6) == [1, 2, 3, 1, 2, 3]

    def test_round_robin_and_least_used_do_not_know_sessions(self, clock: Clock) -> None:
        assert places(make(clock, "round-robin"), 4, "a") == [1, 2, 3, 1]
        assert places(make(clock, "least-used"), 4, "a") == [1, 2, 3, 1]

    def test_one_token_a_session(self, pool: rotation.Pool) -> None:
        for _ in range(3):
            assert [places(pool, 1, session) for session in "abcd"] == [[1], [2], [3], [1]]

    def test_sessions_and_other_requests_take_turns_apart(self, pool: rotation.Pool) -> None:
        seen = [places(pool, 1, name) + places(pool, 2) for name in "abc"]
        assert seen == [[1, 1, 2], [2, 3, 1], [3, 2, 3]]

    def test_a_session_moves_when_its_token_rests_and_stays_there(
        self, pool: rotation.Pool, clock: Clock
    ) -> None:
        assert places(pool, 1, "a") == [1]
        pool.rest(1, 7)
        assert places(pool, 2, "a") == [2, 2]
        clock.now += 8
        assert places(pool, 2, "a") == [2, 2]

    def test_a_session_moves_when_its_token_is_disabled(self, pool: rotation.Pool) -> None:
        token = pool.pick("a")
        assert token
        pool.learn(token, 401, {}, REVOKED)
        assert places(pool, 2, "a") == [2, 2]

    def test_a_session_comes_back_after_a_failure_that_was_not_its_tokens(
        self, pool: rotation.Pool
    ) -> None:
        own = pool.pick("a")
        assert own
        other = pool.pick("a", [own])
        assert other != own
        assert pool.pick("a") == own

    def test_sessions_of_a_resting_token_spread_over_the_others(self, pool: rotation.Pool) -> None:
        names = [str(n) for n in range(12)]
        for name in names:
            pool.pick(name)
        pool.rest(1, 60)
        assert Counter(places(pool, 1, name)[0] for name in names) == {2: 6, 3: 6}

    def test_an_empty_session_is_no_session(self, pool: rotation.Pool) -> None:
        assert places(pool, 3, "") == [1, 2, 3]

    def test_skips_what_rests_in_turn(self, pool: rotation.Pool, clock: Clock) -> None:
        pool.rest(2, 7)
        assert places(pool, 4) == [1, 3, 1, 3]
        clock.now += 7
        assert places(pool, 3) == [1, 2, 3]

    def test_each_token_once_for_a_request(self, pool: rotation.Pool) -> None:
        tried: list[pool_tokens.Token] = []
        while token := pool.pick(None, tried):
            tried.append(token)
        assert [token.place for token in tried] == [1, 2, 3]

    def test_least_used(self, clock: Clock) -> None:
        pool = make(clock, "least-used")
        for token, headers in zip(
            pool.tokens, [used(0.2, 0.5), used(0.4, 0.1), used(0.45)], strict=True
        ):
            pool.learn(token, 200, headers)
        assert places(pool, 3) == [2, 2, 2]
        pool.learn(pool.tokens[1], 200, used(0.5))
        assert places(pool, 2) == [3, 3]
        clock.now += 3600
        # the five-hour windows have started again
        assert places(pool, 4) == [2, 3, 2, 3]

    def test_least_used_tries_what_it_does_not_know(self, clock: Clock) -> None:
        pool = make(clock, "least-used")
        pool.learn(pool.tokens[0], 200, used(0.01))
        assert places(pool, 4) == [2, 3, 2, 3]

    def test_a_model_scoped_rest_is_for_that_family(
        self, pool: rotation.Pool, clock: Clock
    ) -> None:
        headers = {f"{U}7d_oi-status": "rejected", f"{U}7d_oi-reset": f"{NOW + 500:.0f}"}
        pool.learn(pool.tokens[0], 429, headers, model="claude-opus-5-5")
        picked = {
            model: {token.place for _ in range(6) if (token := pool.pick(model=model))}
            for model in ("claude-opus-5", "claude-sonnet-5-5", None)
        }
        assert picked == {
            "claude-opus-5": {2, 3},
            "claude-sonnet-5-5": {1, 2, 3},
            None: {1, 2, 3},
        }
        assert pool.status()[0].state == "available"
        assert pool.status()[0].families == {"opus": 500}
        clock.now += 500
        assert pool.pick(model="claude-opus-5-5", tried=pool.tokens[1:]) == pool.tokens[0]
        assert pool.status()[0].families == {}

    def test_empty_pool(self, clock: Clock) -> None:
        pool = rotation.Pool(clock=clock)
        assert not pool
        assert pool.pick("a") is pool.soonest() is None
        assert pool.wait() is None
        assert pool.status() == []

    def test_the_same_secret_twice_is_one_token(self, clock: Clock) -> None:
        pool = rotation.Pool(["a", "a", "b"], clock=clock)
        assert [token.place for token in pool.tokens] == [1, 3]
        assert places(pool, 4) == [1, 3, 1, 3]

    def test_sessions_are_bounded(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rotation, "MAX_SESSIONS", 2)
        pool = rotation.Pool(SECRETS, clock=clock)
        assert [places(pool, 1, name)[0] for name in ("a", "b", "a", "c", "a", "b")] == [
            1,
            2,
            1,
            3,
            1,
            1,  # forgotten when c came
        ]
        assert sum(row.sessions for row in pool.status()) == 2

    def test_no_client_pushes_out_the_sessions_of_others(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rotation, "MAX_SESSIONS", 10)
        pool = rotation.Pool(SECRETS, clock=clock)
        own = places(pool, 1, "alice/one")
        for n in range(100):
            pool.pick(f"mallory/{n}")
        assert places(pool, 1, "alice/one") == own

    def test_nobody_has_the_session_of_a_client_by_its_name(self, pool: rotation.Pool) -> None:
        named = [rotation.parsed(text) for text in ("alice/one", "/alice/one", "one", "/one")]
        assert named == [("alice", "one"), ("", "alice/one"), ("", "one"), ("", "one")]
        assert [rotation.parsed(str(session)) for session in named] == named

    def test_a_long_session_name_is_not_kept(self, pool: rotation.Pool) -> None:
        pool.pick("x" * 1_000_000)
        assert places(pool, 1, "x" * rotation.MAX_SESSION_NAME) == [1]


class TestRest:
    def test_retry_after(self, pool: rotation.Pool, clock: Clock) -> None:
        assert pool.learn(pool.tokens[0], 429, {"retry-after": "7"}) == [
            quota.Rest(NOW + 7, None, "429, retry-after")
        ]
        clock.now = NOW + 6.9
        assert places(pool, 2) == [2, 3]
        clock.now = NOW + 7
        assert 1 in places(pool, 3)

    def test_latest_rejected_window(self, pool: rotation.Pool, clock: Clock) -> None:
        headers = {
            f"{U}status": "rejected",
            f"{U}5h-status": "rejected",
            f"{U}5h-reset": f"{NOW + 100:.0f}",
            f"{U}7d-status": "rejected",
            f"{U}7d-reset": f"{NOW + 9000:.0f}",
            "retry-after": "7",
        }
        pool.learn(pool.tokens[0], 429, headers)
        clock.now = NOW + 8999
        assert pool.status()[0].left == 1
        assert places(pool, 2) == [2, 3]

    def test_cooldown(self, clock: Clock) -> None:
        pool = rotation.Pool(SECRETS, cooldown=5, clock=clock)
        pool.learn(pool.tokens[0], 429, {})
        assert pool.status()[0].left == 5

    def test_a_shorter_rest_does_not_shorten_a_longer_one(self, pool: rotation.Pool) -> None:
        pool.learn(pool.tokens[0], 429, {"retry-after": "100"})
        held = pool.learn(pool.tokens[0], 429, {"retry-after": "7"})
        assert held == [quota.Rest(NOW + 100, None, "429, retry-after")]
        pool.rest(1, 3)
        assert pool.status()[0].left == 100

    def test_all_resting_the_soonest_due(self, pool: rotation.Pool) -> None:
        for place, seconds in ((1, 30), (2, 10), (3, 20)):
            pool.rest(place, seconds)
        assert pool.pick("a") is None
        assert pool.wait() == 10
        tried: list[pool_tokens.Token] = []
        while token := pool.soonest(tried):
            tried.append(token)
        assert [token.place for token in tried] == [2, 3, 1]

    def test_the_soonest_is_never_one_that_is_available_or_disabled(
        self, pool: rotation.Pool
    ) -> None:
        assert pool.soonest() is None
        assert pool.wait() == 0
        pool.rest(1, 10)
        pool.rest(2, 5)
        pool.learn(pool.tokens[1], 401, {}, REVOKED)
        assert pool.soonest() == pool.tokens[0]
        assert pool.wait() == 0
        assert pool.soonest([pool.tokens[0]]) is None

    def test_nothing_to_wait_for_when_all_are_disabled(self, pool: rotation.Pool) -> None:
        for token in pool.tokens:
            pool.learn(token, 401, {}, REVOKED)
        assert pool.wait() is None

    def test_failed_count_tokens_does_nothing(self, pool: rotation.Pool) -> None:
        for status, fault in ((429, Fault()), (401, REVOKED), (402, Fault())):
            assert pool.learn(pool.tokens[0], status, {}, fault, count_tokens=True) == []
        assert places(pool, 3) == [1, 2, 3]

    @pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 500, 503, 529])
    def test_not_the_tokens_fault(self, pool: rotation.Pool, status: int) -> None:
        assert pool.learn(pool.tokens[0], status, {"retry-after": "7"}) == []
        assert places(pool, 3) == [1, 2, 3]

    def test_disabling_is_reported_once(self, pool: rotation.Pool) -> None:
        token = pool.tokens[0]
        first = pool.learn(token, 401, {}, REVOKED)
        assert [type(effect) for effect in first] == [quota.Disable]
        assert pool.learn(token, 401, {}, REVOKED) == []
        assert places(pool, 4) == [2, 3, 2, 3]

    def test_utilisation_is_learnt_from_every_answer(self, pool: rotation.Pool) -> None:
        for token, status in zip(pool.tokens, (200, 429, 400), strict=True):
            pool.learn(token, status, used(0.25, 0.5), count_tokens=status == 200)
        assert [(r.five_hour, r.seven_day) for r in pool.status()] == [(0.25, 0.5)] * 3

    def test_an_answer_without_headers_keeps_what_is_known(self, pool: rotation.Pool) -> None:
        pool.learn(pool.tokens[0], 200, used(0.25, 0.5))
        pool.learn(pool.tokens[0], 200, {})
        assert pool.status()[0].five_hour == 0.25

    def test_a_token_of_another_pool_is_ignored(self, pool: rotation.Pool) -> None:
        assert pool.learn(pool_tokens.Token(1, "gone"), 429, {}) == []
        assert [row.state for row in pool.status()] == ["available"] * 3


class TestProbe:
    def spend(self, pool: rotation.Pool, *places: int) -> None:
        far = {f"{U}status": "rejected", f"{U}reset": f"{NOW + 7 * 86400:.0f}"}
        for place in places:
            pool.learn(pool.tokens[place - 1], 429, far)

    def test_one_at_a_time(self, pool: rotation.Pool, clock: Clock) -> None:
        self.spend(pool, 1, 2, 3)
        assert pool.probe() is None
        clock.now += 1
        probed = [pool.probe() for _ in range(4)]
        assert [token and token.place for token in probed] == [1, 2, 3, None]
        assert pool.pick() is None, "nothing else is picked in a rest"

    def test_the_answer_ends_the_rest(self, pool: rotation.Pool, clock: Clock) -> None:
        self.spend(pool, 1)
        clock.now += 1
        token = pool.probe()
        assert token
        assert not pool.answered(token, model="claude-x", asked=NOW - 1)
        assert pool.answered(token, model="claude-x", asked=clock.now)
        assert not pool.answered(token, model="claude-x", asked=clock.now)
        assert pool.status()[0].state == "available"
        assert not pool.answered(pool_tokens.Token(1, "gone"), model="claude-x", asked=clock.now)

    def test_a_session_stays_with_its_token(self, pool: rotation.Pool, clock: Clock) -> None:
        assert places(pool, 1, "a") == [1]
        self.spend(pool, 2)
        clock.now += 1
        assert pool.probe("a") is None
        assert pool.probe("b") == pool.tokens[1]

    def test_not_one_that_is_disabled(self, pool: rotation.Pool, clock: Clock) -> None:
        self.spend(pool, 1)
        pool.learn(pool.tokens[0], 401, {}, REVOKED)
        clock.now += 1
        assert pool.probe() is None

    def test_a_rehearsal_asks_nobody(self, pool: rotation.Pool, clock: Clock) -> None:
        self.spend(pool, 1)
        clock.now += 1
        assert pool.rehearsal().probe() is None
        assert pool.probe() == pool.tokens[0]

    def test_a_reload_lets_it_be_asked_at_once(self, pool: rotation.Pool) -> None:
        self.spend(pool, 1)
        new = pool.reloaded(SECRETS, strategy="session", cooldown=1)
        assert new.probe() == new.tokens[0]


class TestNames:
    def test_a_name_shows_wherever_the_place_does(self, clock: Clock) -> None:
        pool = rotation.Pool(SECRETS, names={SECRETS[1]: "alice"}, clock=clock)
        assert [token.label for token in pool.tokens] == [
            "token 1 …aaaa",
            "token 2 alice …bbbb",
            "token 3 …cccc",
        ]
        assert [(row.label, row.name) for row in pool.status()][1] == (
            "token 2 alice …bbbb",
            "alice",
        )
        assert "token 2 alice …bbbb: available" in repr(pool)

    def test_a_reload_may_change_it(self, pool: rotation.Pool) -> None:
        new = pool.reloaded(SECRETS, strategy="session", cooldown=1, names={SECRETS[0]: "bob"})
        assert new.tokens[0].label == "token 1 bob …aaaa"
        assert new.tokens[0] == pool.tokens[0]


class TestByHand:
    def test_rest_and_wake(self, pool: rotation.Pool) -> None:
        assert pool.rest(2, 60).place == 2
        pool.learn(pool.tokens[0], 401, {}, REVOKED)
        assert [row.state for row in pool.status()] == ["disabled", "resting", "available"]
        assert pool.wake(1).place == 1
        pool.wake(2)
        assert [row.state for row in pool.status()] == ["available"] * 3

    @pytest.mark.parametrize("seconds,left", [(-5, 0), (float("inf"), quota.LONGEST)])
    def test_odd_times(self, pool: rotation.Pool, seconds: float, left: float) -> None:
        pool.rest(1, seconds)
        assert pool.status()[0].left == left

    @pytest.mark.parametrize("place", [0, 4, -1])
    def test_no_such_place(self, pool: rotation.Pool, place: int) -> None:
        with pytest.raises(ValueError, match=rf"^place: expected one of 1, 2, 3, got {place}$"):
            pool.wake(place)
        with pytest.raises(ValueError, match="place"):
            pool.rest(place, 1)

    def test_no_such_place_in_an_empty_pool(self, clock: Clock) -> None:
        with pytest.raises(ValueError, match="none, the pool is empty"):
            rotation.Pool(clock=clock).wake(1)


class TestReload:
    def reload(self, pool: rotation.Pool, *secrets: str) -> rotation.Pool:
        return pool.reloaded(secrets, strategy="session", cooldown=1)

    def test_known_tokens_keep_what_we_know(self, pool: rotation.Pool) -> None:
        pool.learn(pool.tokens[1], 200, used(0.25))
        pool.rest(2, 60)
        new = self.reload(pool, "new-token-0000", SECRETS[1])
        assert [(r.place, r.state, r.left, r.five_hour, r.requests) for r in new.status()] == [
            (1, "available", 0, None, 0),
            (2, "resting", 60, 0.25, 1),
        ]

    def test_disabled_ones_get_another_chance(self, pool: rotation.Pool) -> None:
        pool.learn(pool.tokens[0], 401, {}, REVOKED)
        assert self.reload(pool, *SECRETS).status()[0].state == "available"

    def test_sessions_stay_with_their_token_wherever_it_is_listed_now(
        self, pool: rotation.Pool
    ) -> None:
        assert [places(pool, 1, name) for name in "abc"] == [[1], [2], [3]]
        new = self.reload(pool, SECRETS[2], SECRETS[0])
        assert places(new, 1, "a") == [2]
        assert places(new, 1, "c") == [1]
        assert sum(row.sessions for row in new.status()) == 2

    def test_the_pool_learns_from_requests_in_flight(self, pool: rotation.Pool) -> None:
        token = pool.pick()
        assert token
        new = self.reload(pool, *reversed(SECRETS))
        pool.learn(token, 429, {"retry-after": "7"})
        assert [row.left for row in new.status()] == [0, 0, 7]
        new.learn(token, 429, {"retry-after": "9"})
        assert [row.left for row in new.status()] == [0, 0, 9]
        # and what was tried before is not tried again
        tried = [token, *new.tokens[:2]]
        new.wake(3)
        assert new.pick(None, tried) is None

    def test_the_turn_goes_on(self, pool: rotation.Pool) -> None:
        assert places(pool, 2) == [1, 2]
        assert places(self.reload(pool, *SECRETS), 1) == [3]

    def test_to_an_empty_pool_and_back(self, pool: rotation.Pool) -> None:
        places(pool, 2)
        assert places(self.reload(self.reload(pool), *SECRETS), 1) == [3]


class TestStatus:
    def test_rows(self, pool: rotation.Pool) -> None:
        for session in "abcd":
            pool.pick(session)
        pool.learn(pool.tokens[0], 429, used(1.0, 0.5) | {"retry-after": "7"})
        assert pool.status()[0] == pool_tokens.Row(
            place=1,
            label="token 1 …aaaa",
            kind="oauth",
            state="resting",
            left=7,
            families={},
            five_hour=1.0,
            seven_day=0.5,
            sessions=2,
            requests=1,
            reason="429, retry-after",
        )

    def test_a_window_that_is_over_is_empty(self, pool: rotation.Pool, clock: Clock) -> None:
        pool.learn(pool.tokens[0], 200, used(0.9, 0.5, left=10))
        clock.now += 10
        assert (pool.status()[0].five_hour, pool.status()[0].seven_day) == (0.0, 0.5)

    def test_no_secret_shows(self, pool: rotation.Pool) -> None:
        pool.learn(pool.tokens[0], 401, {}, Fault("authentication_error", SECRETS[0]))
        shown = f"{pool!r} {pool.status()} {pool.tokens} {pool.tokens[0]}"
        assert "token 1 …aaaa: disabled" in shown
        assert not any(secret[:-4] in shown or secret[-5:] in shown for secret in SECRETS)


class Rotating(RuleBasedStateMachine):
    """Invariants: no resting, tried or disabled token is picked, and no rest gets shorter."""

    @initialize(strategy=st.sampled_from(["session", "round-robin", "least-used"]))
    def begin(self, strategy: targets.Strategy) -> None:
        self.clock = Clock(NOW)
        self.pool = make(self.clock, strategy)
        self.until = [0.0] * 3
        self.disabled = [False] * 3

    @rule(
        session=st.none() | st.sampled_from("abcd"),
        tried=st.sets(st.integers(0, 2), max_size=3),
    )
    def pick(self, session: str | None, tried: set[int]) -> None:
        free = {
            n
            for n in range(3)
            if n not in tried and not self.disabled[n] and self.until[n] <= self.clock.now
        }
        before = self.pool.pick(session) if session else None
        token = self.pool.pick(session, [self.pool.tokens[n] for n in tried])
        assert (token.place - 1 in free) if token else not free
        if self.pool.strategy == "session" and before and before.place - 1 in free:
            assert token == before

    @rule(n=st.integers(0, 2), seconds=st.integers(1, 100))
    def limit(self, n: int, seconds: int) -> None:
        self.pool.learn(self.pool.tokens[n], 429, {"retry-after": str(seconds)})
        self.until[n] = max(self.until[n], self.clock.now + seconds)

    @rule(n=st.integers(0, 2))
    def revoke(self, n: int) -> None:
        self.pool.learn(self.pool.tokens[n], 401, {}, REVOKED)
        self.disabled[n] = True

    @rule(n=st.integers(0, 2), fraction=st.floats(0, 1.1))
    def answer(self, n: int, fraction: float) -> None:
        self.pool.learn(self.pool.tokens[n], 200, used(fraction))

    @rule()
    def reload(self) -> None:
        self.pool = self.pool.reloaded(SECRETS, strategy=self.pool.strategy, cooldown=60)
        self.disabled = [False] * 3

    @rule(seconds=st.integers(1, 60))
    def later(self, seconds: int) -> None:
        self.clock.now += seconds

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "pool"):
            return
        now = self.clock.now
        left = [row.left for row in self.pool.status()]
        assert left == [max(0.0, until - now) for until in self.until]
        due = [u for u, disabled in zip(self.until, self.disabled, strict=True) if not disabled]
        assert self.pool.wait() == (max(0.0, min(due) - now) if due else None)


Rotating.TestCase.settings = settings(max_examples=25, stateful_step_count=25)
TestRotating = Rotating.TestCase


@settings(max_examples=50)
@given(st.integers(1, 8), st.integers(0, 60), st.sampled_from(["session", "round-robin"]))
def test_fair(tokens: int, requests: int, strategy: targets.Strategy) -> None:
    pool = rotation.Pool([str(n) for n in range(tokens)], strategy=strategy, clock=Clock(NOW))
    counts = Counter(dict.fromkeys(range(1, tokens + 1), 0))
    counts.update(places(pool, requests))
    assert max(counts.values()) - min(counts.values()) <= 1
