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
        found = saved_flows.Places(path).find(flow.id)
        assert found is not None
        assert (found.id, found.request.content) == (flow.id, flow.request.content)
    assert saved_flows.Places(path).find("nobody") is None


def test_the_last_of_two(path: Path) -> None:
    flow = numbered(1)
    save(path, flow)
    flow.request.content = b"again"
    save(path, flow)
    found = saved_flows.Places(path).find(flow.id)
    assert found is not None
    assert found.request.content == b"again"


def test_a_body_that_quotes_an_id(path: Path) -> None:
    flow, quoting = numbered(1), numbered(2)
    quoting.request.content = b"2:id;36:" + flow.id.encode() + b";"
    save(path, flow, quoting)
    assert saved_flows.Places(path).find(flow.id) is not None


@pytest.mark.parametrize("damage", [b"", b"nothing", b"99999999999:x", b"3:abc"])
def test_a_damaged_file(path: Path, damage: bytes) -> None:
    flow = numbered(1)
    path.write_bytes(damage)
    assert saved_flows.Places(path).find(flow.id) is None
    save(path, flow)
    saved_flows.Places(path).find(flow.id)


def test_a_file_whose_end_is_missing(path: Path) -> None:
    flow = numbered(1)
    save(path, flow)
    path.write_bytes(path.read_bytes()[:-10])
    assert saved_flows.Places(path).find(flow.id) is None


def test_a_file_that_grows_and_one_that_takes_its_place(path: Path) -> None:
    first, second, third = map(numbered, range(3))
    save(path, first)
    places = saved_flows.Places(path)
    assert places.find(second.id) is None
    save(path, second)
    assert places.find(second.id) and places.find(first.id)
    path.write_bytes(b"")
    assert places.find(first.id) is None
    other = path.with_name("other")
    save(other, third, second, first)
    other.rename(path)
    assert places.find(third.id)


def test_only_the_ids_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flows = [numbered(number) for number in range(20)]
    save(path, *flows)
    parsed: list[str] = []
    read = saved_flows.read

    def counted(record: bytes, flow_id: str) -> http.HTTPFlow | None:
        parsed.append(flow_id)
        return read(record, flow_id)

    monkeypatch.setattr(saved_flows, "read", counted)
    assert saved_flows.Places(path).find(flows[3].id)
    assert parsed == [flows[3].id]


def test_a_number_of_flows_is_remembered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_flows, "MOST", 2)
    flows = [numbered(number) for number in range(3)]
    save(path, *flows)
    places = saved_flows.Places(path)
    assert [places.find(flow.id) is not None for flow in flows] == [False, True, True]
