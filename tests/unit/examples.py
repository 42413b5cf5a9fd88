"""Targets to test with, read from a profile as a user's would be."""

from __future__ import annotations

import json
from typing import Any

from claude_route import targets
from claude_route.profile import profiles


def target(name: str, model: str = "m", **settings: Any) -> targets.Target:
    provider = {"base_url": "https://p.example", "auth": "none", **settings}
    text = json.dumps({"providers": {name: provider}, "models": {"m": f"{name}/{model}"}})
    found = profiles.parse(text, {}, "test.yaml").target("m")
    assert found
    return found
