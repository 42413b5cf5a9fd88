from __future__ import annotations

import pytest

from claude_route.routing import health
from claude_route.routing import pool_tokens
from claude_route.routing import quota

NOW = 1_800_000_000.0
OPUS = "claude-opus-5-5"


class TestToken:
    @pytest.mark.parametrize(
        "secret,kind,label",
        [
            ("sk-ant-oat01-abcdefgh-wxyz", "oauth", "token 2 …wxyz"),
            ("sk-ant-api03-abcdefgh-wxyz", "api", "token 2 …wxyz"),
            ("0123456789ab", "api", "token 2 …89ab"),
            ("0123456789a", "api", "token 2"),
            ("", "api", "token 2"),
        ],
    )
    def test_shows_four_characters_at_most(self, secret: str, kind: str, label: str) -> None:
        token = pool_tokens.Token(2, secret)
        assert (token.kind, token.label) == (kind, label)
        assert repr(token) == "Token(place=2)"

    def test_is_its_secret(self) -> None:
        assert pool_tokens.Token(1, "a") == pool_tokens.Token(2, "a") != pool_tokens.Token(1, "b")
        assert len({pool_tokens.Token(1, "a"), pool_tokens.Token(2, "a")}) == 1


class TestMemory:
    def test_rests_for_all_models_or_some(self) -> None:
        memory = pool_tokens.Memory()
        assert memory.is_available(OPUS, NOW)
        memory.rest(quota.Rest(NOW + 60, "opus", "429"), NOW)
        assert not memory.is_available(OPUS, NOW)
        assert memory.is_available("claude-haiku-4-5", NOW)
        assert memory.is_available(OPUS, NOW + 60)
        assert memory.unavailable(OPUS, NOW) == "rests 1 min"
        assert memory.unavailable(None, NOW) == ""

    def test_is_disabled_once(self) -> None:
        memory = pool_tokens.Memory()
        assert [memory.disable("revoked"), memory.disable("again")] == [True, False]
        assert (memory.disabled, memory.reason) == ("revoked", "revoked")
        assert memory.due(OPUS) is None
        assert memory.unavailable(OPUS, NOW) == "is disabled"
        assert [memory.enable(), memory.enable()] == [True, False]
        assert memory.is_available(OPUS, NOW)

    def test_a_disabled_one_is_not_tried(self) -> None:
        memory = pool_tokens.Memory()
        memory.rest(quota.Rest(NOW + 7 * 86400, None, "429"), NOW)
        assert memory.probe(OPUS, NOW + 600)
        memory.disable("revoked")
        assert not memory.probe(OPUS, NOW + 6000)

    @pytest.mark.parametrize(
        ("used", "utilisation"), [({}, None), ({"5h": quota.Window(0.5, NOW + 1)}, 0.5)]
    )
    def test_use_that_is_unknown_counts_as_none(
        self, used: dict[str, quota.Window], utilisation: float | None
    ) -> None:
        memory = pool_tokens.Memory(windows=used)
        assert memory.utilisation("5h", NOW) == utilisation
        assert memory.used(NOW) == (utilisation or 0.0)
        assert memory.used(NOW + 1) == 0.0

    def test_takes_over_what_another_reports(self) -> None:
        theirs, ours = pool_tokens.Memory(), pool_tokens.Memory()
        theirs.rest(quota.Rest(NOW + 60, None, "429"), NOW)
        theirs.disable("revoked")
        ours.rest(quota.Rest(NOW + 90, "opus", "other"), NOW)
        ours.windows["7d"] = quota.Window(0.25, NOW + 9)
        ours.adopt(theirs.report(NOW), NOW)
        assert ours.report(NOW) == theirs.report(NOW)._replace(windows=ours.windows)
        assert ours.reason == "revoked"
        ours.adopt(health.Health(), NOW)
        assert ours.is_available(None, NOW)

    def test_its_row(self) -> None:
        memory = pool_tokens.Memory(requests=3)
        memory.rest(quota.Rest(NOW + 60, None, "429"), NOW)
        memory.rest(quota.Rest(NOW + 90, "opus", "limit"), NOW)
        token = pool_tokens.Token(2, "sk-ant-oat01-abcdefgh-wxyz")
        row = memory.row(token, 5, NOW)
        assert (row.label, row.state, row.left) == ("token 2 …wxyz", "resting", 60)
        assert (row.families, row.sessions, row.requests, row.reason) == (
            {"opus": 90},
            5,
            3,
            "limit",
        )
        memory.disable("")
        assert memory.row(token, 5, NOW).state == "disabled"
        memory.wake()
        assert memory.row(token, 5, NOW).state == "available"
