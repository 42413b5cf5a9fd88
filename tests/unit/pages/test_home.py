from __future__ import annotations

import json

from claude_route.pages import home
from claude_route.profile import profiles
from tests.unit import states
from tests.unit.pages import viewers
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "/p/<mine>.yaml")


def test_for_programs() -> None:
    answer = json.loads(home.answer(states.state_of(PROFILE)).body)
    assert (answer["name"], answer["profile"]) == ("claude-route", "<mine>")
    assert "/status" in answer["pages"]


def test_for_browsers() -> None:
    page = home.html(states.state_of(PROFILE), in_mitmweb=False).decode()
    assert '<a href="status">' in page
    assert page.count("aria-current") == 1
    assert '<th role="rowheader" scope="row">glm</th>' in page
    assert "zai/glm-5" in page


def test_a_client_sees_its_own_models() -> None:
    page = home.html(states.state_of(PROFILE), viewers.LIMITED, in_mitmweb=False).decode()
    assert ">glm</th>" in page
    assert ">kimi</th>" not in page


def test_the_profile_is_only_text() -> None:
    page = home.html(states.state_of(PROFILE), in_mitmweb=False).decode()
    assert "profile <b>&lt;mine&gt;</b>" in page
