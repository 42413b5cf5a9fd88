from __future__ import annotations

import json

import pytest
from mitmproxy import http

from claude_route.pages import pages
from claude_route.profile import profiles
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")


def ask(method: str, path: str) -> http.Response | None:
    return pages.answer(http.Request.make(method, f"http://127.0.0.1{path}"), PROFILE)


@pytest.mark.parametrize(
    ("method", "path", "is_page"),
    [
        ("GET", "/health", True),
        ("HEAD", "/health", True),
        ("GET", "/v1/models?limit=1000", True),
        ("POST", "/health", False),
        ("POST", "/v1/models", False),
        ("GET", "/v1/messages", False),
        ("GET", "/", False),
    ],
)
def test_pages(method: str, path: str, is_page: bool) -> None:
    page = ask(method, path)
    assert bool(page) is is_page
    assert pages.is_page(http.Request.make(method, f"http://127.0.0.1{path}")) is is_page
    assert page is None or page.status_code == 200


def test_models_in_anthropics_list_format() -> None:
    page = ask("GET", "/v1/models")
    assert page
    listed = json.loads(page.content or b"")
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("glm", "kimi", False)
    assert listed["data"][0] == {
        "type": "model",
        "id": "glm",
        "display_name": "glm (zai/glm-5)",
        "created_at": "1970-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("method", "path", "public"),
    [
        ("GET", "/health", True),
        ("HEAD", "/health?x=1", True),
        ("POST", "/health", False),
        ("GET", "/v1/models", False),
    ],
)
def test_is_public(method: str, path: str, public: bool) -> None:
    assert pages.is_public(http.Request.make(method, f"http://127.0.0.1{path}")) is public
