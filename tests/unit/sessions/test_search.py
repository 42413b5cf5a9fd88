from __future__ import annotations

import time

from claude_route.sessions import search
from tests.unit.sessions.examples import turn


def hits(query: str, *texts: str) -> list[search.Hit]:
    made = [turn(f"f{number}", words=search.pack([text])) for number, text in enumerate(texts)]
    return search.find(query, made)


def test_all_words_in_any_case() -> None:
    found = hits("FOX lazy", "The quick brown fox and the lazy dog", "a fox", "nothing")
    assert [hit.flow for hit in found] == ["f0"]
    assert found[0].before.endswith("brown ")
    assert (found[0].match, found[0].after[:8]) == ("fox", " and the")


def test_an_empty_query_finds_nothing() -> None:
    assert hits("  ", "anything") == []


def test_a_turn_without_words() -> None:
    assert search.find("x", [turn()]) == []


def test_letters_that_grow_when_folded() -> None:
    (found,) = hits("strasse", "ß" * 30 + " Die Straße")
    assert found.match == "strasse"


def test_long_texts_are_cut() -> None:
    assert (
        search.unpack(search.pack(["x" * 100_000, "y" * 100_000] * 10)).count("y")
        < search.MAX_WORDS
    )
    assert search.unpack(search.pack(["a", "", "b"])) == "a\nb"
    assert search.pack([]) == b""


def test_so_many_hits_and_no_more() -> None:
    assert len(hits("x", *["x"] * (search.MAX_HITS + 5))) == search.MAX_HITS


def test_half_of_a_surrogate_pair() -> None:
    assert search.unpack(search.pack(["a\ud800b"])) == "a?b"


def test_so_many_words_and_no_more() -> None:
    text = " ".join(f"word{number}" for number in range(100))
    assert len(hits(text, text)) == 1
    many = " ".join(f"word{number}" for number in range(search.MAX_QUERY))
    assert len(hits(f"{many} nothing", many)) == 1
    assert len(hits("x" * 100, "x" * search.MAX_WORD)) == 1


def test_no_query_takes_long() -> None:
    made = [turn(f"f{number}", words=search.pack(["x" * 3999 + "y"] * 4)) for number in range(20)]
    began = time.thread_time()
    search.find(" ".join(f"{'x' * (number % 50)}y" for number in range(15_000)), made)
    search.find("y " * 30_000, made)
    assert time.thread_time() - began < 3
