from __future__ import annotations

from collections.abc import Iterator

import pytest
from mitmproxy import exceptions
from mitmproxy import http
from mitmproxy.addons import view
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.watch import kept_flows
from claude_route.watch import upstream_requests

HALF = 512 * 1024


@pytest.fixture
def kept() -> Iterator[kept_flows.KeptFlows]:
    addon = kept_flows.KeptFlows()
    with taddons.context(view.View(), addon) as context:
        context.configure(addon, keep_bodies=1)
        yield addon


def ended(addon: kept_flows.KeptFlows, size: int = 10, path: str = "/v1/messages") -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.request.path = path
    addon.request(flow)
    flow.request.raw_content = bytes(size)
    assert flow.response
    flow.response.raw_content = b""
    addon.response(flow)
    return flow


def test_nothing_is_kept_by_default() -> None:
    addon = kept_flows.KeptFlows()
    with taddons.context(addon):
        assert addon.find(ended(addon).id, False) is None


def test_the_oldest_are_dropped(kept: kept_flows.KeptFlows) -> None:
    flows = [ended(kept, HALF) for _ in range(3)]
    found = [kept.find(flow.id, False) for flow in flows]
    assert found[0] is None
    assert [each and each.flow for each in found[1:]] == flows[1:]
    assert kept.held == 2 * HALF
    ended(kept, 3 * HALF)
    assert kept.held == 0


def test_other_requests_are_not_kept(kept: kept_flows.KeptFlows) -> None:
    assert kept.find(ended(kept, path="/api/event").id, False) is None


def test_mitmweb_has_its_own(kept: kept_flows.KeptFlows) -> None:
    with taddons.context(view.View(), kept) as context:
        flow = tflow.tflow(resp=True)
        flow.metadata["route_target"] = "zai/glm-5"
        context.master.addons.get("view").add([flow])
        upstream_requests.remember(flow, flow.request)
        found = kept.find(flow.id, True)
        assert found
        assert (found.flow, found.upstream, found.target) == (flow, flow.request, "zai/glm-5")
        assert kept.find(flow.id, False) is None
        assert kept.find("other", True) is None


def test_a_negative_number_is_refused(kept: kept_flows.KeptFlows) -> None:
    with (
        taddons.context(kept) as context,
        pytest.raises(exceptions.OptionsError, match="keep_bodies"),
    ):
        context.configure(kept, keep_bodies=-1)


def test_less_room_drops_at_once(kept: kept_flows.KeptFlows) -> None:
    flow = ended(kept, HALF)
    with taddons.context(kept) as context:
        context.configure(kept, keep_bodies=0)
        assert kept.find(flow.id, False) is None
