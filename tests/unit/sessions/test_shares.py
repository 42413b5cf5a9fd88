from __future__ import annotations

import pytest

from claude_route.sessions import shares

LIMITS = shares.Limits(turns=10, weight=1000, sessions=4)


def holdings(text: str) -> list[shares.Holding]:
    """`ann:3 ann:1+bob:2*500`: sessions named 0, 1, … with turns of clients, and a weight."""
    made = []
    for number, part in enumerate(text.split()):
        turns, _, weight = part.partition("*")
        pairs = (each.split(":") for each in turns.split("+"))
        by_client = {client: int(count) for client, count in pairs}
        made.append(shares.Holding(str(number), by_client, int(weight or 0)))
    return made


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("ann:5 bob:5", "", id="room"),
        pytest.param("ann:2 ann:5 ann:4", "0 ann", id="one client: the quietest"),
        pytest.param("ann:2 bob:6 bob:3", "1 bob", id="not that of whoever has less"),
        pytest.param("ann:9 ann:9 ann:2", "0 ann, 1 ann", id="as many as it takes"),
        pytest.param(
            "ann:5 ann:3 bob:4 bob:4 ann:1", "0 ann, 2 bob", id="of each that has the most"
        ),
        pytest.param("ann:1 ann:1 bob:9", "0 ann", id="the last one stays"),
        pytest.param("bob:11", "", id="the only one stays"),
        pytest.param("ann:2 ann:4+bob:6 bob:1", "1 bob", id="only its part of a session"),
        pytest.param("ann:8 bob:1*900 bob:1*200", "1 bob", id="by bytes, if those are too many"),
        pytest.param("bob:9 ann:1*900 ann:1*90", "0 bob", id="by turns, if those are too many"),
        pytest.param("ann:1 bob:1 bob:1 bob:1 bob:1", "1 bob", id="by sessions"),
        pytest.param("ann:1 bob:0 bob:0 bob:0 bob:0", "1 bob", id="sessions without a turn yet"),
        pytest.param(":5 :5 ann:1", "0 ", id="without a name"),
    ],
)
def test_what_is_dropped(text: str, dropped: str) -> None:
    out = shares.out(holdings(text), LIMITS)
    assert ", ".join(f"{drop.session} {drop.client}" for drop in out) == dropped
