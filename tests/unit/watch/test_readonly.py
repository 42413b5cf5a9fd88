from __future__ import annotations

import pytest
from mitmproxy.test import taddons

from claude_route.watch import readonly


@pytest.mark.parametrize(
    ("name", "value", "is_on", "expected"),
    [
        ("mode", ["regular"], True, True),
        ("keep_flows", 77, True, True),
        ("proxyauth", "me:secret", True, False),
        ("proxyauth", "me:secret", False, True),
    ],
)
def test_is_shown(name: str, value: object, is_on: bool, expected: bool) -> None:
    addon = readonly.Readonly()
    with taddons.context(addon) as context:
        context.configure(addon, web_readonly=is_on)
        assert readonly.is_shown(name, value) is expected


def test_closed_until_the_option_is_there() -> None:
    with taddons.context():
        assert not readonly.is_shown("proxyauth", "me:secret")
        assert readonly.is_shown("mode", ["regular"])
