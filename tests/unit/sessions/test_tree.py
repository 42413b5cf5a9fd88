from __future__ import annotations

import collections
from typing import Any

import pytest

from claude_route.dialects import usage
from claude_route.sessions import diffs
from claude_route.sessions import report
from claude_route.sessions import sources
from claude_route.sessions import tree
from claude_route.sessions import turns
from tests.unit.sessions import examples
from tests.unit.sessions.examples import blocks_of
from tests.unit.sessions.examples import turn

LOOK = turns.Call("toolu_1", "Agent", "", "look at one", "Explore", b"prompt-1")
SAME = turns.Call("toolu_2", "Agent", "", "look at two", "Plan", b"prompt-1")


def agent(name: str, at: float, **fields: object) -> turns.Turn:
    return turn(f"{name}-{at}", at, agent=name, kind="subagent", **fields)


def test_what_is_new_is_by_agent_and_kind() -> None:
    session = examples.session(
        [
            turn("m1", 1000, blocks=blocks_of("s:x u:1")),
            turn("t1", 1001, kind="title", blocks=blocks_of("s:title u:1")),
            agent("a", 1002, blocks=blocks_of("s:agent u:one")),
            turn("m2", 1003, blocks=blocks_of("s:x u:1 a:2 u:3")),
            agent("a", 1004, blocks=blocks_of("s:agent u:one a:two u:three")),
            turn("c1", 1005, kind="compaction", blocks=blocks_of("s:x u:1 a:2 u:3 u:sum")),
        ]
    )
    assert [
        (e.turn.flow, e.before and e.before.flow, e.diff.unchanged, e.diff.new)
        for e in session.entries
    ] == [
        ("m1", None, 0, 2),
        ("t1", None, 0, 2),
        ("a-1002", None, 0, 2),
        ("m2", "m1", 2, 2),
        ("a-1004", "a-1002", 2, 2),
        ("c1", "m2", 4, 1),
    ]
    assert [entry.turn.flow for entry in session.main] == ["m1", "m2", "c1"]


def compacted(*after: str) -> list[tuple[bool, diffs.Counts]]:
    """What is said of the turns after a compaction."""
    every = [
        turn("m1", 1000, blocks=blocks_of("s:x u:1 a:2 u:3")),
        turn("c1", 1001, kind="compaction", blocks=blocks_of("s:x u:1 a:2 u:3 a:4 u:sum")),
        *(turn(f"m{n}", 1002 + n, blocks=blocks_of(names)) for n, names in enumerate(after, 2)),
    ]
    entries = examples.session(every).entries[2:]
    return [(entry.is_compacted, entry.counts) for entry in entries]


def test_what_a_compaction_left() -> None:
    assert compacted("s:x u:summary a:4 u:5", "s:x u:summary a:4 u:5 a:6 u:7") == [
        (True, (2, 2, 4)),
        (False, (4, 2, 0)),
    ]


def test_a_summary_that_the_client_threw_away() -> None:
    assert compacted("s:x u:1 a:2 u:3 a:4 u:5") == [(False, (5, 1, 0))]


def test_agents_are_under_the_call_that_started_them() -> None:
    session = examples.session(
        [
            turn("m1", 1000, calls=(LOOK, SAME)),
            agent("a", 1001, begins=b"prompt-1"),
            agent("b", 1002, begins=b"prompt-1"),
            agent("c", 1003, begins=b"another"),
        ]
    )
    (first, *_) = session.entries
    assert [(a.id, a.title, a.type, a.call) for a in first.agents] == [
        ("a", "look at one", "Explore", "toolu_1"),
        ("b", "look at two", "Plan", "toolu_2"),
    ]
    assert [(a.id, a.title) for a in session.loose] == [("c", "agent c")]


def test_a_result_tells_which_agent_a_call_started() -> None:
    """Two agents with the same prompt."""
    session = examples.session(
        [
            turn("m1", 1000, calls=(LOOK, SAME)),
            agent("b", 1001, begins=b"prompt-1"),
            agent("a", 1002, begins=b"prompt-1"),
            turn("m2", 1003, launched=(("toolu_1", "a"), ("toolu_2", "b"))),
        ]
    )
    assert {a.id: a.call for a in session.agents} == {"a": "toolu_1", "b": "toolu_2"}


def test_the_checks_of_an_agent_are_folded() -> None:
    """They stand with those of the main agent, where they are counted."""
    session = examples.session(
        [
            turn("m1", 1000, calls=(LOOK,)),
            agent("a", 1001, begins=b"prompt-1"),
            turn("k1", 1002, agent="a", kind="classifier"),
            turn("k2", 1003, agent="b", kind="classifier"),
        ]
    )
    assert [(a.id, [e.turn.flow for e in a.entries]) for a in session.agents] == [("a", ["a-1001"])]
    assert [(f.kind, f.number) for f in session.folded] == [("classifier", 2)]


def test_an_agent_of_an_agent() -> None:
    inner = LOOK._replace(id="toolu_9", prompt=b"prompt-2")
    session = examples.session(
        [
            turn("m1", 1000, calls=(LOOK,)),
            agent("a", 1001, begins=b"prompt-1", calls=(inner,)),
            agent("b", 1002, begins=b"prompt-2", parent="a"),
        ]
    )
    assert [(a.id, a.parent) for a in session.agents] == [("a", ""), ("b", "a")]
    assert [a.id for a in session.entries[1].agents] == ["b"]


def test_what_failed_cost_nothing() -> None:
    def of(*costs: float | None) -> float | None:
        failed = [
            turn("f", 1000, used=None, cost=None, error="529"),
            turn("g", 1001, used=None, error="529"),
        ]
        used = usage.Usage(input=100)
        others = [turn(f"m{n}", 1002 + n, used=used, cost=cost) for n, cost in enumerate(costs)]
        return examples.session([*failed, *others]).cost

    assert of() == 0
    assert of(0.5) == 0.5
    assert of(None) is None
    assert examples.session([turn("r", 1000, used=None, cost=None)]).cost is None


def test_the_numbers_of_a_session() -> None:
    used = usage.Usage(input=100, output=10, cache_read=300)
    failed = (turns.Failed("anthropic/claude-opus-5-5", "529"),)
    session = examples.session(
        [
            turn("q", 1000, kind="other", prompt="quota", used=None, target="", cost=None),
            turn("m1", 1001, prompt="fix it", used=used, cost=0.5, failed=failed),
            turn("m2", 1002, used=used, cost=0.25, seconds=3.0, target="zai/glm-5"),
            turn("n", 1003, kind="count", used=usage.Usage(input=7000), target="zai/glm-5"),
        ],
        running=1,
    )
    assert (session.id, session.title, session.running) == ("s1", "fix it", 1)
    assert (session.started, session.ended) == (1000, 1005)
    assert session.tokens == usage.Usage(input=200, output=20, cache_read=600)
    assert (session.cost, session.cache_share, session.failed_attempts) == (0.75, 0.75, 1)
    assert session.targets == ["zai/glm-5", "anthropic/claude-opus-5-5"]
    assert [(f.kind, f.number) for f in session.folded] == [("count", 1), ("other", 1)]
    assert session.kinds == [("main", 2), ("other", 1), ("count", 1)]
    assert session.entry("m2") is session.entries[2]
    assert session.entry("nobody") is None


def test_turns_that_end_in_another_order() -> None:
    growing = tree.Growing()
    growing.add(turn("m2", 1002))
    growing.add(agent("a", 1001))
    growing.add(turn("m1", 1000))
    growing.add(turn("t", 1000, kind="title"))
    growing.add(turn("t0", 999, kind="title"))
    assert [(e.turn.flow, e.before and e.before.flow) for e in growing.session().entries] == [
        ("t0", None),
        ("m1", None),
        ("t", "t0"),
        ("a-1001", None),
        ("m2", "m1"),
    ]


def test_turns_that_are_dropped() -> None:
    growing = tree.Growing()
    for number in range(4):
        growing.add(turn(f"m{number}", 1000 + number, blocks=blocks_of("s:x u:1")))
    copied = growing.copy()
    growing.forget({"m0", "m1"})
    assert [
        (e.turn.flow, e.before and e.before.flow, e.diff.new) for e in growing.session().entries
    ] == [
        ("m2", None, 2),
        ("m3", "m2", 0),
    ]
    assert len(copied.session().entries) == 4


def test_a_session_does_not_grow() -> None:
    growing = tree.Growing()
    growing.add(turn("m1", 1000, calls=(LOOK,)))
    before = growing.session()
    growing.add(agent("a", 1001, begins=b"prompt-1"))
    assert (len(before.entries), before.entries[0].agents) == (1, [])
    assert len(growing.session().entries[0].agents) == 1


def test_a_miss_after_a_turn_that_failed() -> None:
    """It has used no cache, and left none."""
    wrote, missed = usage.Usage(cache_write=5000), usage.Usage(cache_write=5100)
    session = examples.session(
        [
            turn("m1", 1000, used=wrote, blocks=blocks_of("s:x u:1")),
            turn("m2", 1001, used=None, error="529", blocks=blocks_of("s:x u:1 a:2 u:3")),
            turn("m3", 1900, used=missed, blocks=blocks_of("s:x u:1 a:2 u:3")),
        ]
    )
    assert [entry.miss and entry.miss.cause for entry in session.entries] == [
        None,
        None,
        "idle for 15 min, and the cache lasts 5 min",
    ]
    assert session.entries[2].before is session.entries[1].turn


def test_misses_add_up() -> None:
    wrote = usage.Usage(cache_write=10_000)
    session = examples.session(
        [
            turn("m1", 1000, used=wrote, blocks=blocks_of("s:x u:1")),
            turn("m2", 1001, used=wrote, blocks=blocks_of("s:y u:1")),
        ],
        dollars=lambda target, model, used: used.cache_write / 1000,
    )
    assert session.entries[1].miss is not None
    assert session.lost == 5, "the half that is still there"


def test_copies_are_no_turns() -> None:
    session = examples.session(
        [
            turn("f1", 1000, cost=1.0),
            turn("c1", 1001, cost=3.0, compares="f1"),
            turn("f2", 1002, cost=2.0, blocks=blocks_of("u:1")),
            turn("c3", 1004, compares="gone"),
            turn("c2", 1003, cost=4.0, compares="f2", blocks=blocks_of("u:1")),
        ]
    )
    assert [each.flow for each in session.turns] == ["f1", "f2"]
    assert session.cost == 3.0
    assert session.copies_cost == 7.0
    assert [[copy.turn.flow for copy in entry.copies] for entry in session.main] == [["c1"], ["c2"]]
    assert [copy.turn.flow for copy in session.stray_copies] == ["c3"]
    original, copy = session.entry("f2"), session.entry("c2")
    assert original and copy
    assert (copy.diff, copy.before) == (original.diff, original.before)


def test_the_turn_after_a_copy_is_compared_with_the_turn_before_it() -> None:
    session = examples.session([turn("f1"), turn("c1", 1001, compares="f1"), turn("f2", 1002)])
    last = session.entries[-1]
    assert last.before and last.before.flow == "f1"


def test_an_entry_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a session is shown, and though it has grown since."""
    counted = collections.Counter[str]()
    for module, name in ((diffs, "count"), (sources, "estimates")):
        stock = getattr(module, name)

        def count(*asked: Any, name: str = name, stock: Any = stock, **how: Any) -> Any:
            counted[name] += 1
            return stock(*asked, **how)

        monkeypatch.setattr(module, name, count)
    growing = tree.Growing()
    for number in range(5):
        growing.add(examples.turn(f"f{number}", 1000 + number, blocks=examples.blocks_of("u:1")))
        report.whole(growing.session())
    assert counted == {"count": 5, "estimates": 5}
