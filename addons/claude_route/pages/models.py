"""`GET /v1/models`: the profile's models in Anthropic's list format, which Claude Code's gateway
discovery reads: https://platform.claude.com/docs/en/api/models-list"""

from __future__ import annotations

from claude_route.pages import content
from claude_route.profile import profiles
from claude_route.proxy import state


def answer(in_force: state.State) -> content.Content:
    profile = in_force.profile
    names = profile.listed_models()
    return content.json(
        {
            "data": [
                {
                    "type": "model",
                    "id": name,
                    "display_name": display_name(name, profile),
                    "created_at": "1970-01-01T00:00:00Z",
                }
                for name in names
            ],
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    )


def display_name(name: str, profile: profiles.Profile) -> str:
    target = profile.target(name)
    return f"{name} ({target})" if target else name
