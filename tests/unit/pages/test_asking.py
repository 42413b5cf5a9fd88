from __future__ import annotations

import pytest

from claude_route.access import clients
from claude_route.pages import asking


@pytest.mark.parametrize("viewer", [None, clients.Client("shared", "header")])
def test_who_sees_all(viewer: clients.Client | None) -> None:
    assert asking.Question({}, "", viewer).sees_all
