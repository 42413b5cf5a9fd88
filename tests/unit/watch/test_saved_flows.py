from __future__ import annotations

from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy import io
from mitmproxy.test import tflow

from claude_route.watch import saved_flows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flows.mitm"


def save(path: Path, *flows: http.HTTPFlow) -> None:
    with path.open("ab") as file:
        writer = io.FlowWriter(file)
        for flow in flows:
            writer.add(flow)


def numbered(number: int) -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.request.content = b"body %d" % number
    return flow


def test_one_of_many(path: Path) -> None:
    flows = [numbered(number) for number in range(5)]
    save(path, *flows[:3])
    save(path, tflow.tflow(err=True), *flows[3:])
    for flow in flows:
        found = saved_flows.find(path, flow.id)
        assert found is not None
        assert (found.id, found.request.content) == (flow.id, flow.request.content)
    assert saved_flows.find(path, "nobody") is None


def test_the_last_of_two(path: Path) -> None:
    flow = numbered(1)
    save(path, flow)
    flow.request.content = b"again"
    save(path, flow)
    found = saved_flows.find(path, flow.id)
    assert found is not None
    assert found.request.content == b"again"


def test_a_body_that_quotes_an_id(path: Path) -> None:
    flow, quoting = numbered(1), numbered(2)
    quoting.request.content = b"2:id;36:" + flow.id.encode() + b";"
    save(path, flow, quoting)
    assert saved_flows.find(path, flow.id) is not None


@pytest.mark.parametrize("damage", [b"", b"nothing", b"99999999999:x", b"3:abc"])
def test_a_damaged_file(path: Path, damage: bytes) -> None:
    flow = numbered(1)
    path.write_bytes(damage)
    assert saved_flows.find(path, flow.id) is None
    save(path, flow)
    saved_flows.find(path, flow.id)


def test_a_file_whose_end_is_missing(path: Path) -> None:
    flow = numbered(1)
    save(path, flow)
    path.write_bytes(path.read_bytes()[:-10])
    assert saved_flows.find(path, flow.id) is None
