from __future__ import annotations

import dataclasses
import re

import pytest

from claude_route.dialects import usage
from claude_route.pages.sessions import bodies
from claude_route.pages.sessions import rendering
from claude_route.pages.sessions import views
from claude_route.sessions import book
from claude_route.sessions import search
from claude_route.sessions import tree
from tests.unit.pages.sessions import examples

VIEW = rendering.View("../", in_mitmweb=True)


def session(kept: examples.Kept) -> tree.Session:
    found = kept.book.session(examples.SESSION)
    assert found
    return found


def page(kept: examples.Kept, view: rendering.View = VIEW) -> str:
    return views.session(
        session(kept), view, "v1", {"f9": book.Running(1020.0, "", "wait for <it>")}, is_whole=False
    ).decode()


def test_a_session_as_a_tree() -> None:
    text = page(examples.session())
    order = [
        text.index(f'id="{id}"') for id in ("turn-f1", "turn-f2", "agent-a1", "turn-f3", "turn-f9")
    ]
    assert order == sorted(order)
    assert "look around" in text
    assert "Explore" in text
    assert "being answered</span> <span>wait for &lt;it&gt;</span>" in text
    assert 'href="../#/flows/x/response"' in text
    assert "not asked: kimi/k2 keeps failing" in text
    assert 'data-version="v1"' in text


def test_the_providers_words_are_for_the_operator() -> None:
    """They may be about an account."""
    assert "<q>Too busy &lt;script&gt;" in page(examples.session())
    of_alice = dataclasses.replace(VIEW, sees_all=False, client="alice")
    assert "Too busy" not in page(examples.session(), of_alice)


def test_hostile_text_is_text() -> None:
    kept = examples.session()
    kept.add(
        "f5",
        1020,
        [{"role": "user", "content": examples.SCRIPT}],
        [
            {
                "type": "tool_use",
                "id": "t",
                "name": examples.SCRIPT,
                "input": {examples.SCRIPT: examples.SCRIPT},
            }
        ],
        model=f'"{examples.SCRIPT}',
        target=f"x/{examples.SCRIPT}",
        error=examples.SCRIPT,
        agent=f'"><b>{examples.SCRIPT}',
    )
    for text in (
        page(kept),
        views.export(session(kept), kept.find, rendering.View(is_export=True)).decode(),
    ):
        assert "<script>doc" not in text
        assert "<b>" not in re.sub("<b>[✗○◆]</b>|<b>[0-9.k]+</b>", "", text)


def test_a_long_session_shows_its_end() -> None:
    kept = examples.Kept()
    for number in range(views.TRUNK + 5):
        kept.add(f"f{number}", number, [examples.ASKED], [examples.ANSWERED])
    text = page(kept)
    assert "5 earlier turns" in text
    assert 'id="turn-f4"' not in text
    assert 'id="turn-f4"' in views.session(session(kept), VIEW, "", {}, is_whole=True).decode()


def test_listing_has_pages() -> None:
    kept = examples.Kept()
    for number in range(views.LISTED + 1):
        kept.add(f"f{number}", number, [examples.ASKED], [examples.ANSWERED], session=f"s{number}")
    first = views.listing(kept.book.sessions(), rendering.View(), 0, "v").body.decode()
    assert first.count("<tr role") == views.LISTED + 1
    assert "?from=50" in first
    last = views.listing(kept.book.sessions(), rendering.View(), views.LISTED, "v").body.decode()
    assert last.count("<tr role") == 2
    assert ">Newer</a>" in last
    assert "No requests yet" in views.listing([], rendering.View(), 0, "v").body.decode()


def test_the_list_says_who_asked_and_what_went_wrong_last() -> None:
    kept = examples.Kept()
    refused = {
        "client": "alice",
        "error": f"429 the budget is spent {examples.SCRIPT}",
        "target": "",
    }
    kept.add("f1", 1, [examples.ASKED], [], **refused)
    text = listed(kept, rendering.View())
    assert '<small class="client">alice</small>' in text
    assert "✗ 429 the budget is spent &lt;script&gt;" in text
    assert 'class="client"' not in listed(kept, rendering.View(client="alice"))
    kept.add("f2", 2, [examples.ASKED], [examples.ANSWERED])
    text = listed(kept, rendering.View())
    assert "✗" not in text
    assert 'class="client"' not in text


def listed(kept: examples.Kept, view: rendering.View) -> str:
    return views.listing(kept.book.sessions(), view, 0, "v").body.decode()


def turn(part: str = "", flow: str = "f2", **more: bool) -> str:
    kept = examples.session()
    entry = kept.book.entry(flow)
    assert entry
    read = bodies.read(entry, kept.find)
    made = views.turn(session(kept), entry, read, VIEW, "v", part, is_running=False)
    return made.body.decode()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("", "Tea** costs 4"),
        ("tools", "tools of jira"),
        ("system", "You are Claude Code."),
        ("conversation", "explain the shop"),
        ("window", "system prompt"),
        ("headers", "Bearer {{client}}"),
        ("nothing", "Everything else"),
    ],
)
def test_a_turn(part: str, expected: str) -> None:
    assert expected in turn(part)


def test_neighbours() -> None:
    text = turn(flow="f1")
    assert 'rel="next" href="f2"' in text
    assert 'rel="prev"' not in text


def test_block() -> None:
    kept = examples.session()
    entry = kept.book.entry("f2")
    assert entry
    read = bodies.read(entry, kept.find)
    plain = views.block(entry, read, VIEW, "a0", "")
    assert plain == ("text/plain; charset=utf-8", examples.ANSWERED["text"].encode(), "")
    html = views.block(entry, read, VIEW, "a0", "markdown").body.decode()
    assert "<strong>Tea</strong>" in html
    assert "<script>doc" not in html
    with pytest.raises(LookupError):
        views.block(entry, read, VIEW, "a7", "")


def test_comparison() -> None:
    kept = examples.session()
    compared = []
    for flow in ("f1", "f2"):
        entry = kept.book.entry(flow)
        assert entry
        compared.append((examples.SESSION, entry, bodies.read(entry, kept.find)))
    text = views.comparison(session(kept), compared, VIEW).body.decode()
    assert "2 turns side by side" in text
    assert "zai/glm-5" in text
    assert text.count('<article class="block') >= 4
    assert "cost money" not in text


def test_a_comparison_goes_from_the_earlier_turn_to_the_later_one() -> None:
    """Whoever compares a turn with the one before sees what was added, not what was taken away."""
    kept = examples.session()
    entries = [kept.book.entry(flow) for flow in ("f2", "f1")]
    compared = [(examples.SESSION, each, bodies.read(each, kept.find)) for each in entries if each]
    text = views.comparison(session(kept), compared, VIEW).body.decode()
    sides, changes = text.split("What differs in the requests")
    assert sides.index("/f1") < sides.index("/f2")
    assert "only in 1" not in changes
    assert '<span class="change">only in 2</span> ← Read' in changes


def test_a_compaction_is_told_in_one_line_and_says_what_it_left() -> None:
    kept = examples.session()
    answered = {"role": "assistant", "content": [examples.ANSWERED]}
    asked = {"role": "user", "content": "Your task is to create a detailed summary of this."}
    summed_up = {"type": "text", "text": "<summary>\nTea costs 4.\n</summary>"}
    used = [usage.Usage(10, 5, 90_000), usage.Usage(2, 5, 9000)]
    kept.add("f4", 1020, [examples.ASKED, answered, asked], [summed_up], used=used[0])
    continued = "This session is being continued from a previous conversation."
    kept.add(
        "f5", 1021, [{"role": "user", "content": continued}], [examples.ANSWERED], used=used[1]
    )
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page(kept)))
    assert "compaction the conversation, summed up: Tea costs 4. opus-5-5" in text
    assert "compacted: 90.0k tokens before, 9.0k now · 3 blocks gone, 3 kept, 1 new" in text


def test_a_comparison_of_copies_says_that_they_cost_money() -> None:
    kept = examples.session()
    kept.add("c1", 1030, [examples.ASKED], [examples.ANSWERED], compares="f1", target="kimi/k2")
    compared = []
    for flow in ("f1", "c1"):
        entry = kept.book.entry(flow)
        assert entry
        compared.append((examples.SESSION, entry, bodies.read(entry, kept.find)))
    text = views.comparison(session(kept), compared, VIEW).body.decode()
    assert "1 of them is a copy" in text
    assert "cost money: $0.25" in text


def test_the_cost_of_copies_says_where_a_price_is_unknown() -> None:
    kept = examples.session()
    kept.add("c1", 1030, [examples.ASKED], [examples.ANSWERED], compares="f1", target="kimi/k2")
    assert "cost money: $0.25, not" in page(kept)
    kept.add(
        "c2",
        1031,
        [examples.ASKED],
        [],
        compares="f1",
        target="",
        used=None,
        cost=None,
        error="529",
    )
    assert "cost money: $0.25, not" in page(kept)
    kept.add(
        "c3", 1032, [examples.ASKED], [examples.ANSWERED], compares="f1", target="a/b", cost=None
    )
    text = page(kept)
    assert "cost money: $0.25 and more, not" in text
    assert "<dt>3 comparisons, not in the cost</dt><dd>$0.25+</dd>" in text


def test_where_nothing_is_kept_a_comparison_says_so_once() -> None:
    kept = examples.session()
    entries = [kept.book.entry(flow) for flow in ("f1", "f2")]
    compared = [(examples.SESSION, entry, bodies.Bodies()) for entry in entries if entry]
    view = dataclasses.replace(VIEW, in_mitmweb=False)
    text = views.comparison(session(kept), compared, view).body.decode()
    assert text.count("Each block has only its first words, because requests") == 1
    assert "or <code>-w +flows.mitm</code> (a file)" in text, "no line breaks within a command"


def test_found() -> None:
    kept = examples.session()
    sessions = kept.book.sessions()
    hits = search.find("tea", sessions[0].turns)
    text = views.found("tea", hits, sessions, rendering.View()).body.decode()
    assert "<mark>" in text
    assert "<script>doc" not in text
    assert "Nothing." in views.found("x", [], sessions, rendering.View()).body.decode()


def test_found_in_requests_of_no_session() -> None:
    kept = examples.Kept()
    for number, session_id in enumerate(("", book.NONE)):
        kept.add(f"f{number}", number, [examples.ASKED], [examples.ANSWERED], session=session_id)
    (only,) = kept.book.sessions()
    hits = search.find("tea", only.turns)
    text = views.found("tea", hits, [only], rendering.View()).body.decode()
    assert text.count("<mark>") == 2


def test_what_a_first_turn_has() -> None:
    assert "<small>1 block, and 3 of the system prompt and the tools</small>" in turn(flow="f1")


def test_a_link_from_below_the_list() -> None:
    kept = examples.session()
    text = views.listing(kept.book.sessions(), rendering.View("../"), 0, "v").body.decode()
    assert f'href="../sessions/{examples.SESSION}"' in text


@pytest.mark.parametrize("in_mitmweb", [False, True])
def test_an_export_needs_nothing_else(in_mitmweb: bool) -> None:
    kept = examples.session()
    view = rendering.View("../", in_mitmweb, is_export=True)
    text = views.export(session(kept), kept.find, view).decode()
    assert views.script_hash() in text
    assert "Tea** costs 4" in text
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert "data-from" not in text
    assert text.count("You are Claude Code.") == 1
    assert text.count("Searches.") == 1, "the tools of the first turn"


def test_copies_are_shown_with_the_turn_that_they_compare() -> None:
    kept = examples.session()
    assert "copies-" not in page(kept)
    kept.add("c1", 1030, [examples.ASKED], [examples.ANSWERED], compares="f1", target="kimi/k2")
    kept.add("c2", 1031, [examples.ASKED], [examples.ANSWERED], compares="gone")
    text = page(kept)
    order = [text.index(each) for each in ('id="turn-f1"', 'id="copies-f1"', 'id="turn-c1"')]
    assert order == sorted(order)
    assert text.index('id="turn-c1"') < text.index('id="turn-f2"')
    assert f'href="../sessions/{examples.SESSION}/f1?with=c1"' in text
    assert "which cost money: $0.25" in text
    assert "no longer known" in text
    shown = session(kept)
    exported = views.export(shown, kept.find, dataclasses.replace(VIEW, is_export=True)).decode()
    assert 'id="turn-c1"' in exported
    for flow, link in (("f1", "?with=c1"), ("c1", 'href="f1"')):
        entry = shown.entry(flow)
        assert entry
        turn = views.turn(shown, entry, bodies.Bodies(), VIEW, "", "", is_running=False)
        assert link in turn.body.decode()
