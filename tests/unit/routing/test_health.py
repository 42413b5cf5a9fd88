from __future__ import annotations

from collections.abc import Mapping

from claude_route.dialects import error_body
from claude_route.routing import health
from claude_route.routing import quota
from claude_route.routing import rotation
from tests.clocks import Clock

NOW = 1_800_000_000.0
SECRETS = [f"sk-ant-oat01-health-000000{n}-tok{n}" for n in range(1, 4)]
REVOKED = error_body.Fault("authentication_error", "OAuth token has been revoked")


class Heard(health.Listener):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def rested(self, secret: str, held: health.Held) -> None:
        self.lines.append(f"{secret[-4:]} rests {held.rest.until - NOW:.0f} {held.is_by_hand}")

    def answered(self, secret: str, families: tuple[str | None, ...], asked: float) -> None:
        self.lines.append(f"{secret[-4:]} answered {families} {asked - NOW:.0f}")

    def disabled(self, secret: str, reason: str) -> None:
        self.lines.append(f"{secret[-4:]} disabled")

    def enabled(self, secret: str) -> None:
        self.lines.append(f"{secret[-4:]} enabled")

    def woken(self, secret: str) -> None:
        self.lines.append(f"{secret[-4:]} woken")

    def used(self, secret: str, windows: Mapping[str, quota.Window]) -> None:
        self.lines.append(f"{secret[-4:]} used {list(windows)}")

    def moved(self, session: str, before: str | None, after: str) -> None:
        self.lines.append(f"{session} {before and before[-4:]} -> {after[-4:]}")


def test_the_pool_tells_what_it_learns() -> None:
    clock = Clock(NOW)
    pool = rotation.Pool(SECRETS, clock=clock)
    pool.listener = heard = Heard()
    one, two, _ = pool.tokens
    pool.pick("s")
    pool.pick("s")
    pool.learn(one, 429, {"retry-after": "60"})
    pool.pick("s")
    pool.rehearsal().pick("other")
    pool.learn(two, 200, {"anthropic-ratelimit-unified-5h-utilization": "0.5"})
    pool.learn(two, 401, {}, REVOKED)
    pool.learn(two, 401, {}, REVOKED)
    clock.now += 1
    pool.answered(one, model="claude-opus-5-5", asked=clock.now)
    pool.answered(one, model="claude-opus-5-5", asked=clock.now)
    pool.rest(3, 99)
    pool.wake(3)
    pool = pool.reloaded(SECRETS, strategy="session", cooldown=60)
    pool.rest(1, 9)
    assert heard.lines == [
        "s None -> tok1",
        "tok1 rests 60 False",
        "s tok1 -> tok2",
        "tok2 used ['5h']",
        "tok2 disabled",
        "tok1 answered (None, 'opus') 1",
        "tok3 rests 100 True",
        "tok3 woken",
        "tok2 enabled",
        "tok1 rests 10 True",
    ]


def test_what_one_reports_another_adopts() -> None:
    clock = Clock(NOW)
    one, other = (rotation.Pool(SECRETS, clock=clock) for _ in range(2))
    other.listener = heard = Heard()
    one.learn(one.tokens[0], 429, {"retry-after": "60"})
    one.learn(one.tokens[1], 401, {}, REVOKED)
    for token in one.tokens:
        other.adopt(token, one.report(token))
    assert [row.state for row in other.status()] == ["resting", "disabled", "available"]
    assert other.status()[0].reason == "429, retry-after"
    one.wake(1)
    other.adopt(one.tokens[0], one.report(one.tokens[0]))
    assert other.status()[0].state == "available"
    assert heard.lines == []
