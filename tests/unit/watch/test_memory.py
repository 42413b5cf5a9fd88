from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator

import pytest
from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.addons import view
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.watch import failed_attempts
from claude_route.watch import memory
from claude_route.watch import upstream_requests

KILOBYTE = 1024


class Kept:
    """The addon with mitmproxy's view."""

    def __init__(self) -> None:
        self.view = view.View()
        self.memory = memory.Memory()
        self.context = taddons.context(self.view, self.memory)

    def limit(self, **options: int) -> None:
        self.context.configure(self.memory, **options)

    def add(self, kilobytes: int = 0, *, ends: bool = True) -> http.HTTPFlow:
        """A request with a body of that size, and an answer with an empty one."""
        added = tflow.tflow(resp=True)
        added.request.data.content = bytes(kilobytes * KILOBYTE)
        assert added.response
        added.response.data.content = b""
        self.view.add([added])
        if ends:
            self.end(added)
        return added

    def end(self, ended: flow.Flow) -> None:
        # For mitmproxy a flow is live until all hooks have seen its answer.
        self.memory.response(ended)
        ended.live = False

    @property
    def flows(self) -> list[flow.Flow]:
        flows: list[flow.Flow] = self.view.resolve("@all")
        return flows

    @property
    def bodies(self) -> list[int]:
        return [memory.size(each) // KILOBYTE for each in self.flows]


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    with kept.context:
        yield kept


def test_the_oldest_flows_go(kept: Kept) -> None:
    kept.limit(keep_flows=100)
    added = [kept.add() for _ in range(1000)]
    assert 95 <= len(kept.flows) <= 100
    assert kept.flows == added[-len(kept.flows) :]


def test_the_oldest_bodies_go_and_their_flows_stay(kept: Kept) -> None:
    kept.limit(keep_megabytes=1)
    for _ in range(30):
        kept.add(100)
    assert len(kept.flows) == 30
    left = sum(size > 0 for size in kept.bodies)
    assert 9 <= left <= 10
    assert kept.bodies == [0] * (30 - left) + [100] * left
    oldest = kept.flows[0]
    assert isinstance(oldest, http.HTTPFlow)
    assert oldest.request.raw_content is None
    assert oldest.response is not None
    assert oldest.response.raw_content is None


def test_a_limit_that_is_lowered_holds_at_once(kept: Kept) -> None:
    for _ in range(20):
        kept.add(100)
    kept.limit(keep_flows=10)
    assert len(kept.flows) == 10
    kept.limit(keep_megabytes=0)
    assert sum(kept.bodies) == 1000


def live_flow(each: http.HTTPFlow) -> None:
    each.live = True


def intercepted(each: http.HTTPFlow) -> None:
    each.intercept()


def marked(each: http.HTTPFlow) -> None:
    each.marked = ":star:"


def waits_to_be_replayed(each: http.HTTPFlow) -> None:
    each.response = None


@pytest.mark.parametrize("change", [live_flow, intercepted, marked, waits_to_be_replayed])
def test_what_stays(kept: Kept, change: Callable[[http.HTTPFlow], None]) -> None:
    special = kept.add(500)
    change(special)
    kept.limit(keep_flows=10, keep_megabytes=1)
    for _ in range(50):
        kept.add(100)
    assert kept.flows[0] is special
    assert special.request.raw_content == bytes(500 * KILOBYTE)
    assert len(kept.flows) <= 10
    assert sum(kept.bodies) <= 1024


def test_the_marks_of_failed_attempts_are_ours(kept: Kept) -> None:
    kept.limit(keep_flows=10)
    for _ in range(50):
        kept.add().marked = failed_attempts.MARKER
    assert len(kept.flows) <= 10


def test_what_stays_is_not_looked_through_each_time(kept: Kept) -> None:
    kept.limit(keep_flows=100, keep_megabytes=1)
    looks = 0
    enforce_limits = kept.memory.enforce_limits

    def counted() -> None:
        nonlocal looks
        looks += 1
        enforce_limits()

    kept.memory.enforce_limits = counted  # type: ignore[method-assign]
    for _ in range(500):
        kept.add(10).marked = ":star:"
    assert len(kept.flows) == 500
    assert looks < 500 / 4


def test_hidden_flows_count(kept: Kept) -> None:
    kept.context.configure(kept.view, view_filter="~m NONE")
    kept.limit(keep_flows=10)
    for _ in range(50):
        kept.add()
    assert len(kept.view) == 0
    assert len(kept.flows) <= 10


def test_what_went_upstream_instead_counts_and_goes_too(kept: Kept) -> None:
    kept.limit(keep_megabytes=1)
    for _ in range(20):
        added = kept.add(100, ends=False)
        upstream_requests.remember(added, upstream(100))
        kept.end(added)
    left = sum(size > 0 for size in kept.bodies)
    assert kept.bodies == [0] * (20 - left) + [200] * left
    assert 4 <= left <= 5
    assert upstream_requests.of(added) is not None
    oldest = kept.flows[0]
    assert isinstance(oldest, http.HTTPFlow)
    assert upstream_requests.of(oldest) is None


def upstream(kilobytes: int) -> http.Request:
    return http.Request.make("POST", "https://api.z.ai/v1/messages", bytes(kilobytes * KILOBYTE))


def test_a_changed_body_cannot_be_had_back_once_it_went(kept: Kept) -> None:
    changed = kept.add(1000)
    changed.backup()
    changed.request.content = b"other"
    memory.strip(changed)
    assert not changed.modified()


@pytest.mark.parametrize(
    "make", [tflow.ttcpflow, tflow.tudpflow, tflow.tdnsflow, tflow.twebsocketflow]
)
def test_other_flows(kept: Kept, make: Callable[[], flow.Flow]) -> None:
    other = make()
    other.live = False
    kept.view.add([other])
    kept.limit(keep_megabytes=1)
    memory.strip(other)
    assert memory.size(other) == 0
    kept.limit(keep_flows=1)
    kept.add()
    kept.add()
    assert other not in kept.flows


@pytest.mark.parametrize("option", ["keep_flows", "keep_megabytes"])
def test_a_limit_below_nothing_is_refused(kept: Kept, option: str) -> None:
    with pytest.raises(exceptions.OptionsError, match=f"{option}: expected 0 or a positive number"):
        kept.limit(**{option: -1})


def test_without_a_view_nothing_happens() -> None:
    addon = memory.Memory()
    with taddons.context(addon) as tctx:
        tctx.configure(addon, keep_flows=1)
        addon.response(tflow.tflow(resp=True))
    assert addon.held == 0
