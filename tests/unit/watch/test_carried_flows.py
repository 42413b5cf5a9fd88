from __future__ import annotations

import pytest
from mitmproxy.test import tflow

from claude_route.pages import asking
from claude_route.watch import carried_flows
from claude_route.watch import labels


@pytest.mark.parametrize("has_upstream", [True, False])
def test_it_comes_back_as_it_was(has_upstream: bool) -> None:
    flow = tflow.tflow(resp=True)
    flow.request.content = b'{"model": "\xc3\xa9"}'
    flow.metadata |= labels.Labels(target="zai/glm-5").to_metadata()
    upstream = tflow.tflow().request if has_upstream else None
    back = carried_flows.unpack(carried_flows.pack(asking.Kept(flow, upstream, "zai/glm-5")))
    assert back.target == "zai/glm-5"
    assert back.flow.id == flow.id
    assert back.flow.request.get_state() == flow.request.get_state()
    assert back.flow.response is not None
    assert flow.response is not None
    assert back.flow.response.get_state() == flow.response.get_state()
    assert (back.upstream is not None) == has_upstream


def test_an_answer_that_has_not_begun() -> None:
    flow = tflow.tflow()
    assert carried_flows.unpack(carried_flows.pack(asking.Kept(flow))).flow.response is None


@pytest.mark.parametrize("data", [b"", b"x", b"3:abc"])
def test_what_is_no_flow(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        carried_flows.unpack(data)
