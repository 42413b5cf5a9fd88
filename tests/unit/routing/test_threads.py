from __future__ import annotations

import pytest

from claude_route import targets
from claude_route.profile import profiles
from claude_route.routing import plan
from claude_route.routing import pool_tokens
from claude_route.routing import threads

ONE, TWO = (pool_tokens.Token(place, f"sk-ant-oat01-{place}") for place in (1, 2))


@pytest.mark.parametrize(
    ("client", "message_id", "now", "expected"),
    [
        pytest.param("alice", "msg_1", 0.0, ONE, id="at once"),
        pytest.param("alice", "msg_1", threads.LIFETIME - 1, ONE, id="within five minutes"),
        pytest.param("alice", "msg_1", threads.LIFETIME, None, id="after five minutes"),
        pytest.param("alice", "msg_2", 0.0, None, id="another answer"),
        pytest.param("bob", "msg_1", 0.0, None, id="another client"),
        pytest.param("", "msg_1", 0.0, None, id="a client without a key"),
        pytest.param("alice", "", 0.0, None, id="no id"),
    ],
)
def test_a_thread_is_found_by_its_client(
    client: str, message_id: str, now: float, expected: pool_tokens.Token | None
) -> None:
    kept = threads.Threads()
    kept.keep("alice", "msg_1", ONE, now=0.0)
    assert kept.keeper(client, message_id, now) == expected


def test_the_five_minutes_begin_again_with_the_end_of_an_answer() -> None:
    kept = threads.Threads()
    kept.keep("", "msg_1", ONE, now=0.0)
    kept.keep("", "msg_2", TWO, now=100.0)
    kept.keep("", "msg_1", ONE, now=200.0)
    assert kept.keeper("", "msg_1", 499.0) == ONE
    assert kept.keeper("", "msg_2", 400.0) is None


@pytest.mark.parametrize("message_id", ["", "m" * (threads.MAX_ID + 1)])
def test_what_is_no_id_is_not_kept(message_id: str) -> None:
    kept = threads.Threads()
    kept.keep("", message_id, ONE, now=0.0)
    assert len(kept) == 0


def test_what_has_ended_is_forgotten() -> None:
    kept = threads.Threads()
    for n in range(10):
        kept.keep("", f"msg_{n}", ONE, now=n)
    kept.keep("", "msg_new", ONE, now=threads.LIFETIME + 4)
    assert len(kept) == 6


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MAX_THREADS", 3)
    kept = threads.Threads()
    for n in range(5):
        kept.keep("", f"msg_{n}", ONE, now=0.0)
    assert [kept.keeper("", f"msg_{n}", 0.0) for n in range(5)] == [None, None, ONE, ONE, ONE]


def test_no_client_pushes_out_the_threads_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MAX_THREADS", 10)
    kept = threads.Threads()
    kept.keep("alice", "msg", ONE, now=0.0)
    for n in range(100):
        kept.keep("mallory", f"msg_{n}", TWO, now=1.0)
    assert (kept.keeper("alice", "msg", 1.0), len(kept)) == (ONE, 10)


def target(provider: str, model: str = "m") -> targets.Target:
    text = f'{{providers: {{{provider}: {{base_url: "http://127.0.0.1:1"}}}}, models: {{"*": {provider}/*}}}}'
    found = profiles.parse(text, {}, "p.yaml").target(model)
    assert found
    return found


CLAUDE, OTHER_CLAUDE, GLM = target("anthropic"), target("anthropic", "n"), target("zai")


@pytest.mark.parametrize(
    ("kind", "previous", "step", "expected"),
    [
        pytest.param(None, "", plan.Step(GLM), True, id="no thread"),
        pytest.param("create", "", plan.Step(GLM), True, id="a new thread"),
        pytest.param("continue", "msg_1", plan.Step(CLAUDE, ONE), True, id="its token"),
        pytest.param("continue", "msg_1", plan.Step(CLAUDE, TWO), False, id="another token"),
        pytest.param("continue", "msg_1", plan.Step(CLAUDE), False, id="the client's credential"),
        pytest.param("continue", "msg_1", plan.Step(OTHER_CLAUDE, ONE), False, id="another model"),
        pytest.param("continue", "msg_1", plan.Step(GLM), False, id="another provider"),
        pytest.param("continue", "msg_9", plan.Step(CLAUDE, ONE), False, id="unknown in a pool"),
        pytest.param("continue", "msg_9", plan.Step(CLAUDE), True, id="unknown, no pool"),
        pytest.param("continue", "", plan.Step(CLAUDE, ONE), True, id="for Anthropic to refuse"),
        pytest.param("continue", "", plan.Step(GLM), False, id="no id, another provider"),
    ],
)
def test_who_can_continue(kind: str | None, previous: str, step: plan.Step, expected: bool) -> None:
    kept = threads.Threads()
    kept.thread("create", "", "alice", 0.0).keep("msg_1", ONE, 0.0)
    assert kept.thread(kind, previous, "alice", 1.0).continues_at(step, CLAUDE) is expected
