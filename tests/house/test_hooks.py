"""Hooks that mitmproxy calls where it can't wait."""

from __future__ import annotations

import inspect

import pytest

from claude_route import app


@pytest.mark.parametrize("hook", ["load", "configure", "done"])
def test_none_is_async(hook: str) -> None:
    """mitmproxy raises where such a hook is: a script that is loaded again would stay half removed."""
    waiting = [
        type(addon).__name__
        for addon in app.addons()
        if inspect.iscoroutinefunction(getattr(addon, hook, None))
    ]
    assert not waiting
