from __future__ import annotations

import pytest

from claude_route.dialects.messages import quirks
from claude_route.dialects.messages import scrub
from tests.unit import examples


@pytest.mark.parametrize(("name", "flat"), [("anthropic", True), ("zai", False)])
def test_only_anthropic_refuses_combined_schemas(name: str, flat: bool) -> None:
    auth = "client" if name == "anthropic" else "none"
    target = examples.target(name, auth=auth)
    assert quirks.of(target) == quirks.Quirks(flat_schemas=flat)


def test_every_provider_learns_which_client_asks() -> None:
    fields = tuple((name, b"x") for name in sorted(quirks.IDENTITY))
    assert scrub.headers((*fields, (b"x-other", b"x")), examples.target("kimi").provider) == fields
