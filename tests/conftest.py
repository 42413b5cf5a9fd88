from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck
from hypothesis import settings

# How long an example takes is up to the machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """What a proxy in this process has kept from garbage collections, other tests' objects too, is
    collected again."""
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """A test that leaves mitmproxy patched fails here, not the ones after it."""
    yield
    if module := sys.modules.get("claude_route.patches.addon"):
        assert not module._installed
