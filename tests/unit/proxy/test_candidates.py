from __future__ import annotations

from typing import Any

import pytest

from claude_route.access import admissions
from claude_route.profile import profiles
from claude_route.proxy import candidates
from tests.unit import states

PROFILE = """
providers:
  anthropic: {base_url: https://api.anthropic.com}
  zai: {base_url: https://api.z.ai, api_key: x}
  kimi: {base_url: https://api.kimi.com, api_key: "${UNSET}"}
models: {claude-*: anthropic/claude-*, glm: zai/glm-5, kimi: kimi/k3}
fallbacks: {claude-*: [glm]}
server_tools: claude-opus-5-5
pool: {tokens: [%s]}
"""


def of(*, tokens: str = "", is_check: bool = False, **admitted: Any) -> candidates.Candidates:
    admission = admissions.Admission(
        **{
            "client": None,
            "is_routed": True,
            "is_reverse": True,
            "rotates": True,
            "login": "own",
            "secrets": {},
            "origin": ("https", "api.anthropic.com", 443),
            **admitted,
        }
    )
    profile = profiles.parse(PROFILE % tokens, {}, "p.yaml")
    return candidates.Candidates(states.state_of(profile), admission, is_check=is_check)


def names(model: str, **given: Any) -> list[str]:
    return [str(target) for target in of(**given).find(model)[0]]


def test_a_model_and_its_fallbacks() -> None:
    assert names("claude-opus-5-5") == ["anthropic/claude-opus-5-5", "zai/glm-5"]
    assert names("glm") == ["zai/glm-5"]


def test_a_check_has_no_fallback() -> None:
    assert names("claude-opus-5-5", is_check=True) == ["anthropic/claude-opus-5-5"]


def test_an_unknown_model() -> None:
    with pytest.raises(LookupError, match="not in this proxy's profile"):
        names("gpt-5")
    assert names("gpt-5", is_reverse=False) == ["anthropic/gpt-5"]
    assert of(is_reverse=False).find("gpt-5")[1] is False


def test_a_provider_without_its_key() -> None:
    with pytest.raises(ValueError, match="UNSET is set"):
        names("kimi")


@pytest.mark.parametrize("login", ["text", "none"])
def test_a_client_without_a_login_goes_to_the_fallback(login: str) -> None:
    assert names("claude-opus-5-5", login=login) == ["zai/glm-5"]
    with pytest.raises(PermissionError, match="no tokens"):
        names("claude-opus-5-5", login=login, is_check=True)
    token = "sk-ant-oat01-pool-0000000001-pol1"
    assert names("claude-opus-5-5", login=login, tokens=token)[0] == "anthropic/claude-opus-5-5"


def test_server_tools() -> None:
    found = of()
    claude, _ = found.find("claude-opus-5-5")
    glm, _ = found.find("glm")
    for asked in (claude, glm):
        able = found.able(asked, ("web_search",))
        assert [str(target) for target in able] == ["anthropic/claude-opus-5-5"]
