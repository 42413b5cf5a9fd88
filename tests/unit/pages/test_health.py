from __future__ import annotations

import json

from claude_route.pages import health
from claude_route.profile import profiles
from tests.unit import states
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")


def test_health() -> None:
    assert json.loads(health.answer(states.state_of(PROFILE)).body)["status"] == "ok"
