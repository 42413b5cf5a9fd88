from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator

import pytest

from claude_route import targets
from claude_route.dialects import error_body
from claude_route.routing import plan
from claude_route.routing import pool_tokens
from claude_route.routing import rotation
from tests.unit import examples

SECRETS = [f"sk-ant-oat01-{'x' * 20}-{name}" for name in ("aaaa", "bbbb", "cccc", "dddd", "eeee")]

CLAUDE = examples.target("anthropic", "claude-opus-5-5", auth="pool")
HAIKU = examples.target("anthropic", "claude-haiku-5", auth="pool")
GLM = examples.target("zai", "glm-5")
KIMI = examples.target("kimi", "k2")
TARGETS = {"opus": CLAUDE, "haiku": HAIKU, "glm": GLM, "kimi": KIMI}
NAMES = {target: name for name, target in TARGETS.items()}


class Made:
    """A plan, and the state of the pool's tokens: a letter for each, in order.

    `a` is available, `r` is resting (later ones for longer), `d` is disabled.
    """

    def __init__(
        self,
        wanted: str,
        tokens: str | None = None,
        *,
        down: Collection[str] = (),
        most: int = 4,
    ) -> None:
        self.now = 0.0
        self.down = set(down)
        self.pool: rotation.Pool | None = None
        if tokens is not None:
            self.pool = rotation.Pool(
                SECRETS[: len(tokens)], strategy="round-robin", clock=lambda: self.now
            )
            for place, state in enumerate(tokens):
                if state != "a":
                    self.learn(self.pool.tokens[place], 429 if state == "r" else 401, 60 + place)
        self.plan = plan.Plan(
            [TARGETS[name] for name in wanted.split()],
            pool=self.pool,
            is_down=lambda target: NAMES[target] in self.down,
            session=None,
            max_attempts=most,
        )

    def learn(self, token: pool_tokens.Token, status: int, seconds: int) -> None:
        assert self.pool
        revoked = error_body.Fault("authentication_error", "OAuth token has been revoked")
        fault = revoked if status == 401 else error_body.NONE
        self.pool.learn(token, status, {"retry-after": str(seconds)}, fault)

    def steps(self, failures: str) -> Iterator[str]:
        """`opus 1 opus 2 glm`, while each attempt fails: `l` limited, `o` an outage, `w` another
        failure that isn't the credential's fault."""
        upstream_failed = False
        for failure in failures + "l":
            step = self.plan.next(upstream_failed=upstream_failed)
            if step is None:
                return
            yield NAMES[step.target] + (f" {step.token.place}" if step.token else "")
            upstream_failed = failure != "l"
            if failure == "l" and step.token:
                self.learn(step.token, 429, 600)


@pytest.mark.parametrize(
    ("wanted", "tokens", "most", "failures", "steps"),
    [
        # Without a pool: each target once, with its own key or what the client sent.
        ("glm", None, 4, "ll", "glm"),
        ("glm kimi", None, 4, "lll", "glm, kimi"),
        ("opus glm kimi", None, 4, "oool", "opus, glm, kimi"),
        ("opus glm kimi", None, 2, "lll", "opus, glm"),
        ("opus glm", None, 1, "lll", "opus"),
        ("opus glm", "", 4, "lll", "opus, glm"),
        # The tokens in turn, each once, then the fallbacks.
        ("opus", "aaa", 4, "llll", "opus 1, opus 2, opus 3"),
        ("opus glm", "aaa", 4, "lllll", "opus 1, opus 2, opus 3, glm"),
        ("opus glm kimi", "aa", 4, "lllll", "opus 1, opus 2, glm, kimi"),
        ("glm opus", "aa", 4, "lllll", "glm, opus 1, opus 2"),
        ("opus haiku", "aa", 4, "llll", "opus 1, opus 2, haiku 1"),
        # At most max_attempts, and the last of them for a fallback.
        ("opus", "aaaaa", 4, "lllll", "opus 1, opus 2, opus 3, opus 4"),
        ("opus glm", "aaaaa", 4, "lllll", "opus 1, opus 2, opus 3, glm"),
        ("opus glm kimi", "aaaaa", 4, "lllll", "opus 1, opus 2, opus 3, glm"),
        ("opus glm", "aaa", 2, "lll", "opus 1, glm"),
        ("opus glm", "aaa", 1, "lll", "opus 1"),
        # Resting and disabled tokens are skipped.
        ("opus glm", "rar", 4, "lll", "opus 2, glm"),
        ("opus glm", "rrr", 4, "lll", "glm"),
        ("opus glm", "dda", 4, "lll", "opus 3, glm"),
        ("opus glm", "ddd", 4, "lll", "glm"),
        ("opus", "ddd", 4, "lll", ""),
        # All rest and there is no fallback: only the one that is available soonest.
        ("opus", "rrr", 4, "lll", "opus 1"),
        ("opus", "drr", 4, "lll", "opus 2"),
        ("opus", "rra", 4, "lll", "opus 3, opus 1"),
        ("glm opus", "rr", 4, "lll", "glm, opus 1"),
        # An upstream that is down is down for every token, as long as there is a fallback.
        ("opus glm", "aaa", 4, "ol", "opus 1, glm"),
        ("opus glm", "aaa", 4, "lol", "opus 1, opus 2, glm"),
        ("opus", "aaa", 4, "ooo", "opus 1, opus 2, opus 3"),
        ("opus glm", "aaa", 4, "wl", "opus 1, glm"),
    ],
)
def test_the_order_of_attempts(
    wanted: str, tokens: str | None, most: int, failures: str, steps: str
) -> None:
    assert ", ".join(Made(wanted, tokens, most=most).steps(failures)) == steps


@pytest.mark.parametrize(
    ("wanted", "tokens", "down", "steps"),
    [
        ("opus glm", None, "opus", "glm"),
        ("opus glm kimi", None, "opus glm", "kimi"),
        ("opus glm kimi", None, "glm", "opus, kimi"),
        ("opus glm", "aa", "opus", "glm"),
        # A target that is down is tried anyway if there is no fallback.
        ("opus", None, "opus", "opus"),
        ("opus glm", None, "opus glm", "opus, glm"),
        ("opus glm", None, "glm", "opus, glm"),
        ("opus glm", "aa", "opus glm", "opus 1, opus 2, glm"),
        ("opus glm", "rr", "glm", "opus 1, glm"),
    ],
)
def test_a_target_that_is_down_is_passed_over(
    wanted: str, tokens: str | None, down: str, steps: str
) -> None:
    assert ", ".join(Made(wanted, tokens, down=down.split()).steps("lll")) == steps


def test_a_target_that_goes_down_meanwhile_is_skipped() -> None:
    made = Made("opus glm kimi")
    steps = made.steps("ooo")
    assert next(steps) == "opus"
    made.down.add("glm")
    assert list(steps) == ["kimi"]


def test_a_session_keeps_its_token() -> None:
    pool = rotation.Pool(SECRETS, clock=lambda: 0.0)

    def first(session: str) -> targets.Target | pool_tokens.Token | None:
        made = plan.Plan(
            [CLAUDE], pool=pool, is_down=lambda _: False, session=session, max_attempts=4
        )
        step = made.next()
        return step.token if step else None

    tokens = [first(session) for session in ("a", "b", "a", "b")]
    assert tokens[:2] == tokens[2:]
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize(
    ("wanted", "tokens", "down", "failures", "reasons"),
    [
        ("opus glm", "aa", [], "", []),
        ("opus glm", "ra", [], "", []),  # the pool has another for it
        ("opus glm", "rr", [], "", ["token 1 rests 1 min", "token 2 rests 1 min"]),
        ("opus glm", "rd", [], "", ["token 1 rests 1 min", "token 2 is disabled"]),
        ("opus glm", "ra", [], "l", ["token 1 rests 1 min"]),
        ("opus glm", "aa", [], "ll", []),  # each was tried, and has a row of its own
        ("opus", "rr", [], "", []),
        ("opus glm", "aa", ["opus"], "", ["anthropic/claude-opus-5-5 keeps failing"]),
        ("opus glm", None, ["opus"], "", ["anthropic/claude-opus-5-5 keeps failing"]),
        ("opus glm", None, ["opus", "glm"], "", []),
        ("opus kimi glm", "r", ["kimi"], "", ["token 1 rests 1 min", "kimi/k2 keeps failing"]),
    ],
)
def test_why_targets_are_passed_over(
    wanted: str, tokens: str | None, down: list[str], failures: str, reasons: list[str]
) -> None:
    made = Made(wanted, tokens, down=down)
    for _, _ in zip(made.steps(failures), range(len(failures) + 1), strict=False):
        pass
    assert made.plan.passed_over == reasons


WEEK = 7 * 86400


@pytest.mark.parametrize(
    ("wanted", "spent", "failures", "most", "expected"),
    [
        # The first request after a second is a probe, and only its first attempt.
        ("opus glm", (1, 2), "ll", 4, "opus 1 glm"),
        ("opus glm", (1,), "ll", 4, "opus 1 opus 2 glm"),
        ("opus glm", (2,), "lll", 4, "opus 2 opus 1 glm"),
        ("opus glm", (1, 2), "ll", 1, "glm"),
        ("opus", (1, 2), "ll", 4, "opus 1"),
        ("glm opus", (1, 2), "ll", 4, "glm opus 1"),
    ],
)
def test_a_long_rest_is_probed(
    wanted: str, spent: tuple[int, ...], failures: str, most: int, expected: str
) -> None:
    made = Made(wanted, "aa", most=most)
    assert made.pool
    for place in spent:
        made.learn(made.pool.tokens[place - 1], 429, WEEK)
    made.now += 1
    assert " ".join(made.steps(failures)) == expected


def test_only_some_are_left_to_try() -> None:
    made = plan.Plan([GLM, KIMI, HAIKU], pool=None, is_down=bool, session=None, max_attempts=4)
    made.is_down = lambda target: False
    assert made.next() == plan.Step(GLM)
    made.keep(lambda target: target == HAIKU)
    assert made.next() == plan.Step(HAIKU)
    made.keep(lambda target: False)
    assert made.next() is None
