from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tornado import httputil
from tornado import web

from claude_route.pages import web_server

SETTINGS: Mapping[str, Any] = {
    "cookie_secret": "a secret of this test",
    "auth_cookie_name": lambda: "login",
    "is_valid_password": lambda password: password == "right",
}
COOKIE = web.create_signed_value(SETTINGS["cookie_secret"], "login", b"y").decode()
FOREIGN = web.create_signed_value("another secret", "login", b"y").decode()


@pytest.mark.parametrize(
    ("headers", "is_login"),
    [
        ({}, False),
        ({"Cookie": f"a=b; login={COOKIE}"}, True),
        ({"Cookie": f"login={FOREIGN}"}, False),
        ({"Cookie": f"other={COOKIE}"}, False),
        ({"Cookie": "login=y"}, False),
        ({"Authorization": "Bearer right"}, True),
        ({"Authorization": "Bearer wrong"}, False),
        ({"Authorization": "Basic right"}, False),
        ({"Authorization": "Bearer"}, False),
    ],
)
def test_who_is_logged_in(headers: dict[str, str], is_login: bool) -> None:
    assert web_server.is_login(SETTINGS, httputil.HTTPHeaders(headers)) is is_login
