from __future__ import annotations

import pytest

from claude_route.pages import asking
from claude_route.pages.sessions import bodies
from claude_route.pages.sessions import opened
from claude_route.pages.sessions import rendering
from claude_route.sessions import tree
from tests.unit.pages.sessions import examples
from tests.unit.sessions import examples as examples_of_turns
from tests.unit.sessions.examples import blocks_of

VIEW = rendering.View(in_mitmweb=True)


def read(flow: str, *, is_kept: bool = True) -> tuple[tree.Entry, bodies.Bodies]:
    kept = examples.session()
    entry = kept.book.entry(flow)
    assert entry
    return entry, bodies.read(entry, kept.find if is_kept else lambda flow: None)


def test_what_is_new() -> None:
    made = opened.open_turn(*read("f2"), VIEW, "u")
    assert [change.shown.title for change in made.sent_back] == ["→ Read"]
    assert [change.shown.title for change in made.changes] == ["← Read"]
    assert [shown.title for shown in made.answer] == ["assistant", "→ Agent"]
    assert made.is_kept


def test_what_a_compaction_took_away_does_not_hide_what_is_new() -> None:
    many = " ".join(f"u:{n}" for n in range(200))
    every = [
        examples_of_turns.turn("c", 1000, kind="compaction", blocks=blocks_of(f"s:x {many}")),
        examples_of_turns.turn("m", 1001, blocks=blocks_of("s:x u:summary u:199 u:next")),
    ]
    entry = examples_of_turns.session(every).entries[1]
    made = opened.open_turn(entry, bodies.Bodies(), VIEW, "u")
    assert [(each.what, each.shown.text) for each in made.changes] == [
        ("added", "summary"),
        ("added", "next"),
    ]
    assert len(made.removed) + made.removed_left_out == 199
    assert made.removed[-1].shown.text == "198"
    assert len(made.removed) == opened.MAX_NEW


def test_a_first_turn_shows_its_messages_only() -> None:
    made = opened.open_turn(*read("f1"), VIEW, "u")
    assert [change.shown.title for change in made.changes] == ["user"]


def test_without_bodies() -> None:
    made = opened.open_turn(*read("f2", is_kept=False), rendering.View(), "u")
    assert not made.is_kept
    assert "keep_bodies" in made.why
    assert [shown.text for shown in made.answer][1] == "look around"


def test_block() -> None:
    entry, found = read("f2")
    shown, text = opened.block(entry, found, "3") or (None, "")
    assert shown
    assert text == "explain the shop"
    assert (opened.block(entry, found, "a0") or (None, ""))[1] == examples.ANSWERED["text"]
    for key in ("99", "a9", "x", "", "-1", "9" * 50, "²"):
        assert opened.block(entry, found, key) is None


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("system", ["system"]),
        ("tools", ["Read", "mcp__jira__search"]),
        ("conversation", ["user", "→ Read", "← Read"]),
    ],
)
def test_parts(name: str, titles: list[str]) -> None:
    part = opened.part(name, *read("f2"), VIEW)
    assert part
    assert [shown.title for group in part.groups for shown in group.blocks] == titles


def test_tools_are_grouped_by_server() -> None:
    part = opened.part("tools", *read("f2"), VIEW)
    assert part
    assert [group.title for group in part.groups] == ["tools", "tools of jira"]


def test_headers_and_the_upstream_request() -> None:
    entry, found = read("f2")
    headers = opened.part("headers", entry, found, VIEW)
    assert headers
    assert ("authorization", "Bearer {{client}}") in headers.tables[0].rows
    assert opened.part("upstream", entry, found, VIEW) is None
    assert found.kept
    upstream = found.kept.flow.request.copy()
    found.kept = asking.Kept(found.kept.flow, upstream)
    shown = opened.part("upstream", entry, found, VIEW)
    assert shown
    assert shown.text.startswith('{\n  "model"')
    # What a provider is sent is not for other clients.
    assert opened.part("upstream", entry, found, rendering.View(sees_all=False)) is None
    assert opened.part("other", entry, found, VIEW) is None
