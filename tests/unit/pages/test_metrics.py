from __future__ import annotations

import pytest

from claude_route.access import clients
from claude_route.pages import asking
from claude_route.pages import metrics
from claude_route.profile import profiles
from tests.unit import states
from tests.unit.pages import viewers
from tests.wire import proxies

STATE = states.state_of(profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml"))


@pytest.mark.parametrize("viewer", [None, viewers.SHARED])
async def test_answer(viewer: clients.Client | None) -> None:
    question = asking.Question({}, "", viewer)
    content = await metrics.answer(question, STATE, states.sources())
    assert content.media_type.startswith("text/plain; version=0.0.4")
    assert content.body == b"a_metric 1\n"


async def test_a_client_with_a_key_of_its_own_sees_none() -> None:
    with pytest.raises(PermissionError, match="/usage"):
        await metrics.answer(asking.Question({}, "", viewers.ALICE), STATE, states.sources())
