from __future__ import annotations

from typing import Any

import pytest

from claude_route.access import admissions
from claude_route.access import clients
from claude_route.profile import clients as profile_clients
from claude_route.profile import patterns
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


def client(*models: str) -> clients.Client:
    entry = profile_clients.Client("alice", (), patterns.Table(dict.fromkeys(models)))
    return clients.Client("alice", "header", entry)


@pytest.mark.parametrize("is_reverse", [True, False])
@pytest.mark.parametrize("model", ["glm", "kimi", "gpt-5", "claude-opus-5-5[1m]"])
def test_a_model_that_is_not_the_clients(model: str, is_reverse: bool) -> None:
    """As if it did not exist, whether it does or not, and without what it lacks."""
    of_client = of(client=client("claude-haiku-*", "x"), is_reverse=is_reverse)
    expected = f"model: '{model}' is not in this proxy's profile, which has: claude-haiku-*, x"
    with pytest.raises(LookupError) as e:
        of_client.find(model)
    assert e.value.args == (expected,)


def test_a_fallback_that_is_not_the_clients() -> None:
    theirs = client("claude-*")
    assert names("claude-opus-5-5", client=theirs) == ["anthropic/claude-opus-5-5"]
    assert names("claude-route/claude-opus-5-5[1m]", client=theirs)
    both = client("claude-*", "glm")
    assert names("claude-opus-5-5", client=both) == ["anthropic/claude-opus-5-5", "zai/glm-5"]


def test_server_tools_of_a_model_that_is_not_the_clients() -> None:
    found = of(client=client("glm"))
    assert found.able(found.find("glm")[0], ("web_search",)) == []


def test_what_the_profile_names_for_a_client() -> None:
    theirs = client("claude-*")
    assert names("glm", client=theirs, is_check=True) == ["zai/glm-5"]
    targets, _ = of(client=theirs).find("glm", is_granted=True)
    assert list(map(str, targets)) == ["zai/glm-5"]


@pytest.mark.parametrize(
    ("model", "itself", "has"),
    [
        ("glm", True, True),
        ("gpt-5", False, False),
        ("kimi", False, False),
        ("claude-opus-5-5", False, True),
        ("claude-opus-5-5", True, False),
    ],
)
def test_whether_a_client_without_a_login_can_ask(model: str, itself: bool, has: bool) -> None:
    """For a Claude model it would get the fallback."""
    assert of(login="none").has(model, itself=itself) is has
