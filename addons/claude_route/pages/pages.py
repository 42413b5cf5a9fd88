"""The pages at the reverse door that we answer ourselves."""

from __future__ import annotations

from mitmproxy import http

from claude_route import responses
from claude_route.profile import profiles
from claude_route.wire import http_message


def is_page(request: http.Request) -> bool:
    return request.method in ("GET", "HEAD") and http_message.path(request) in (
        "/health",
        "/v1/models",
    )


def answer(request: http.Request, profile: profiles.Profile) -> http.Response | None:
    """The page that a request at the reverse door asks for, if it is one of ours."""
    if not is_page(request):
        return None
    return responses.json({"status": "ok"}) if is_public(request) else models(profile)


def is_public(request: http.Request) -> bool:
    """Whether a page is for everyone: whoever supervises the proxy needs no key."""
    return is_page(request) and http_message.path(request) == "/health"


def models(profile: profiles.Profile) -> http.Response:
    """The profile's models in Anthropic's list format, which Claude Code's gateway discovery reads:
    https://platform.claude.com/docs/en/api/models-list"""
    names = profile.listed_models()
    return responses.json(
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
