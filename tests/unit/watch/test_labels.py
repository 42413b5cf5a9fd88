from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from mitmproxy.test import tflow

from claude_route.access import identity
from claude_route.watch import labels
from tests.unit.flows import ALICE
from tests.unit.flows import ROUTED
from tests.unit.flows import attempt
from tests.unit.flows import routed

ALL = labels.Labels(
    model="claude-opus-5-5",
    target="zai/glm-5",
    attempts=2,
    token="token 2 …wxyz",
    session="s",
    agent="a-1",
    parent_agent="a-0",
    request_id="r-1",
    trace="00-aa-bb-01",
    state="complete",
    tokens_in=107,
    tokens_cached=100,
    tokens_out=42,
    rewritten=True,
    comment="opus-5-5 → zai/glm-5",
)


def test_the_keys_that_people_search_for() -> None:
    assert set(ALL.to_metadata()) == {
        *("route_model", "route_target", "route_attempts", "route_token", "route_session"),
        *("route_agent", "route_parent_agent", "route_request_id", "route_trace"),
        *("route_state", "route_tokens_in", "route_tokens_cached", "route_tokens_out"),
        *("route_rewritten", "route_comment"),
    }


@pytest.mark.parametrize("known", [ALL, labels.Labels(), labels.Labels(target="", attempts=0)])
def test_what_is_written_is_read(known: labels.Labels) -> None:
    assert labels.read({"other": 1, **known.to_metadata()}) == known


@pytest.mark.parametrize("value", [None, [], {}, 1.5, b"x"])
def test_values_of_other_types_are_unknown(value: Any) -> None:
    assert labels.read(dict.fromkeys(ALL.to_metadata(), value)) == labels.Labels()


def test_an_attempt() -> None:
    known = labels.of_attempt(routed(tflow.tflow()), attempt())
    assert known.to_metadata() == ROUTED | {"route_session": "s"}


def test_a_named_clients_attempt() -> None:
    request = routed(tflow.tflow(), client=ALICE)
    assert labels.of_attempt(request, attempt()).client == "alice"


def test_an_agents_attempt() -> None:
    who = identity.Identity("s", "a-1", "a-0", "r-1", "00-aa-bb-01")
    request = dataclasses.replace(routed(tflow.tflow()), identity=who)
    known = labels.of_attempt(request, attempt())
    assert (known.agent, known.parent_agent) == ("a-1", "a-0")
    assert (known.request_id, known.trace) == ("r-1", "00-aa-bb-01")


def test_a_request_that_is_sent_again() -> None:
    metadata = {"other": 1, **ALL.to_metadata()}
    labels.forget(metadata)
    assert set(metadata) == {"other", "route_rewritten", "route_comment"}
