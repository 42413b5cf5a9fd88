from __future__ import annotations

import json

from claude_route.pages import models
from claude_route.profile import profiles
from tests.unit import states
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")


def test_models_in_anthropics_list_format() -> None:
    listed = json.loads(models.answer(states.state_of(PROFILE)).body)
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("glm", "kimi", False)
    assert listed["data"][0] == {
        "type": "model",
        "id": "glm",
        "display_name": "glm (zai/glm-5)",
        "created_at": "1970-01-01T00:00:00Z",
    }
