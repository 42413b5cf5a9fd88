from __future__ import annotations

from claude_route.dialects import usage
from claude_route.sessions import report
from claude_route.sessions import search
from claude_route.sessions import turns
from tests.unit.sessions import examples
from tests.unit.sessions.examples import blocks_of
from tests.unit.sessions.examples import turn

AGENT = turns.Call("toolu_1", "Agent", "", "look", "Explore", b"prompt-1")
SESSION = examples.session(
    [
        turn(
            "f1",
            1000,
            prompt="fix it",
            calls=(AGENT,),
            blocks=blocks_of("t:Read u:1"),
            used=usage.Usage(10, 20, 0, 30_000),
            cost=0.5,
            failed=(turns.Failed("zai/glm-5", "529", "f0", "", "anthropic/claude-opus-5-5"),),
            passed_over=(turns.PassedOver("token 1", "rests 29 s"),),
        ),
        turn("f2", 1001, agent="a1", kind="subagent", begins=b"prompt-1"),
        turn(
            "f3",
            1002,
            blocks=blocks_of("t:Write u:1 a:2"),
            used=usage.Usage(10, 20, 0, 30_000),
            words=search.pack(["lazy dog"]),
        ),
    ]
)


def test_the_list_has_what_the_contract_says() -> None:
    (about,) = report.listing([SESSION], 7)["sessions"]
    assert {
        "id": "s1",
        "title": "fix it",
        "started": 1000,
        "turns": 3,
        "agents": 1,
        "failed_attempts": 1,
        "tokens": {"input": 120, "output": 50, "cache_read": 0, "cache_write": 60_000},
        "cost": 0.5,
    }.items() <= about.items()


def test_a_session_has_its_turns_as_the_contract_says() -> None:
    whole = report.whole(SESSION)
    first, second, third = whole["turns"]
    assert {key: first[key] for key in ("flow", "at", "agent", "parent", "kind", "prompt")} == {
        "flow": "f1",
        "at": 1000,
        "agent": "main",
        "parent": None,
        "kind": "main",
        "prompt": "fix it",
    }
    assert (first["new_blocks"], first["unchanged_blocks"], first["cache_miss"]) == (2, 0, None)
    assert {"target": "zai/glm-5", "why": "529"}.items() <= first["failed"][0].items()
    assert first["passed_over"] == [{"target": "token 1", "why": "rests 29 s"}]
    assert (second["agent"], second["parent"], second["kind"]) == ("a1", "main", "subagent")
    assert third["cache_miss"] == {
        "cause": "a tool was added: Write",
        "at": "tool 1 (Write)",
        "cost": None,
        "tokens": 15_000,
        "reason": "",
    }
    assert (third["new_blocks"], third["unchanged_blocks"], third["removed_blocks"]) == (2, 1, 0)
    assert whole["agents_started"] == [
        {"id": "a1", "name": "look", "type": "Explore", "call": "toolu_1", "parent": "main"}
    ]


def test_a_search() -> None:
    (hit,) = report.hits(report.find("dog", [SESSION]))["hits"]
    assert (hit["flow"], hit["before"], hit["match"]) == ("f3", "lazy ", "dog")
