from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import envelope
from claude_route.routing import failures
from claude_route.routing import verdict
from claude_route.routing.verdict import Outcome

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def outcome(seen: int | str, **known: Any) -> Outcome:
    """Of a provider other than Anthropic, unless `known` says otherwise."""
    if isinstance(seen, int):
        known = {"kind": failures.Kind.STATUS, "status": seen} | known
    else:
        known = {"kind": failures.Kind(seen)} | known
    defaults: dict[str, Any] = {
        "target": "zai/glm-5",
        "credential": "provider",
        "anthropic": False,
    }
    return Outcome(**defaults | known)


def claude(seen: int | str, credential: str = "pool", **known: Any) -> Outcome:
    return outcome(
        seen,
        target="anthropic/claude-opus-5-5",
        credential=credential,
        anthropic=True,
        token=known.pop("token", 1 if credential == "pool" else None),
        **known,
    )


def error_body_of(kind: str, message: str = "no") -> bytes:
    return envelope.body(kind, message)


ORG_DISABLED = error_body_of("invalid_request_error", "This organization has been disabled.")
NO_CREDIT = error_body_of(
    "invalid_request_error", "Your credit balance is too low to access the API"
)

NEXT_TARGET = ("next", "target")
NEXT_TOKEN = ("next", "credential")
OUTAGE = ("next", "outage")
BACK = ("back", "request")


@pytest.mark.parametrize(
    "seen,pool,provider,client",
    [
        (200, ("good", None), ("good", None), ("good", None)),
        (201, ("good", None), ("good", None), ("good", None)),
        ("connect", OUTAGE, OUTAGE, OUTAGE),
        ("absent", OUTAGE, OUTAGE, OUTAGE),
        ("barred", OUTAGE, OUTAGE, OUTAGE),
        ("reset", OUTAGE, OUTAGE, OUTAGE),
        ("timeout", OUTAGE, OUTAGE, OUTAGE),
        ("local", NEXT_TARGET, NEXT_TARGET, NEXT_TARGET),
        (401, NEXT_TOKEN, NEXT_TARGET, ("back", "credential")),
        (402, NEXT_TOKEN, NEXT_TARGET, ("back", "credential")),
        (403, NEXT_TOKEN, NEXT_TARGET, ("back", "credential")),
        (429, NEXT_TOKEN, NEXT_TARGET, NEXT_TARGET),
        (408, NEXT_TARGET, NEXT_TARGET, NEXT_TARGET),
        (500, OUTAGE, OUTAGE, OUTAGE),
        (502, OUTAGE, OUTAGE, OUTAGE),
        (503, OUTAGE, OUTAGE, OUTAGE),
        (504, OUTAGE, OUTAGE, OUTAGE),
        (520, OUTAGE, OUTAGE, OUTAGE),
        (529, OUTAGE, OUTAGE, OUTAGE),
        (400, BACK, BACK, BACK),
        (404, BACK, BACK, BACK),
        (405, BACK, BACK, BACK),
        (409, BACK, BACK, BACK),
        (413, BACK, BACK, BACK),
        (422, BACK, BACK, BACK),
        (302, NEXT_TARGET, NEXT_TARGET, NEXT_TARGET),
        (508, NEXT_TARGET, NEXT_TARGET, NEXT_TARGET),
        (101, NEXT_TARGET, NEXT_TARGET, NEXT_TARGET),
        (999, NEXT_TARGET, NEXT_TARGET, NEXT_TARGET),
        (12345, NEXT_TARGET, NEXT_TARGET, NEXT_TARGET),
    ],
)
def test_judge(seen: int | str, pool: object, provider: object, client: object) -> None:
    assert verdict.judge(claude(seen)) == pool
    assert verdict.judge(outcome(seen)) == provider
    assert verdict.judge(claude(seen, "client")) == client


@pytest.mark.parametrize(
    ("status", "content_type", "is_network"),
    [
        (403, "text/html; charset=UTF-8", True),
        (404, "TEXT/HTML", True),
        (400, "application/xhtml+xml", True),
        (302, "text/html", True),
        (307, "", True),
        (403, "application/json", False),
        (404, "", False),
        (401, "text/html", False),
        (413, "text/html", False),
        (429, "text/html", False),
        (503, "text/html", False),
    ],
)
def test_what_something_on_the_way_answers(
    status: int, content_type: str, is_network: bool
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    for credential in ("pool", "client"):
        seen = claude(status, credential, headers=headers, body=b"<title>Just a moment...</title>")
        assert verdict.is_of_the_network(seen) is is_network
        if is_network:
            assert verdict.judge(seen) == (NEXT_TARGET if status < 400 else OUTAGE)
            assert client_gets(seen)[0] == 502
    assert not verdict.is_of_the_network(claude("timeout"))


@pytest.mark.parametrize("body", [ORG_DISABLED, NO_CREDIT])
def test_a_400_about_the_credential_moves_on_unless_it_is_the_clients(body: bytes) -> None:
    assert verdict.judge(claude(400, body=body)) == NEXT_TOKEN
    assert verdict.judge(outcome(400, body=body)) == NEXT_TARGET
    assert verdict.judge(claude(400, "client", body=body)) == BACK


@pytest.mark.parametrize(
    "body,pool,provider",
    [
        (error_body_of("overloaded_error"), OUTAGE, OUTAGE),
        (error_body_of("api_error"), OUTAGE, OUTAGE),
        (error_body_of("rate_limit_error"), NEXT_TOKEN, NEXT_TARGET),
        (error_body_of("authentication_error"), NEXT_TOKEN, NEXT_TARGET),
        (error_body_of("invalid_request_error"), ("next", "request"), ("next", "request")),
        (b'{"error":{"message":"boom","code":502}}', OUTAGE, OUTAGE),
        (b"boom", OUTAGE, OUTAGE),
        (b"", OUTAGE, OUTAGE),
    ],
)
def test_a_first_event_error_moves_on(body: bytes, pool: object, provider: object) -> None:
    assert verdict.judge(claude("event", status=200, body=body)) == pool
    assert verdict.judge(outcome("event", status=200, body=body)) == provider
    assert verdict.judge(claude("event", "client", status=200, body=body)).decision == "next"


def test_a_provider_that_cannot_count_is_not_down() -> None:
    assert verdict.judge(outcome(500, count_tokens=True)) == NEXT_TARGET
    assert verdict.judge(outcome("connect", count_tokens=True)) == OUTAGE
    assert verdict.judge(outcome(404, count_tokens=True)) == BACK


REPLACE = "whoever runs the proxy has to replace it. Nothing is wrong with yours"
TOP_UP = "whoever runs the proxy has to top it up, or wait"


class TestOurCredentialIsRefused:
    """Claude Code must not take it for the user's own: no words that it would show others for."""

    @pytest.mark.parametrize("status", [400, 401, 403])
    @pytest.mark.parametrize(
        "says",
        [
            "invalid x-api-key",
            "OAuth token has expired. Please obtain a new token",
            "OAuth access token has been revoked",
            "This organization has been disabled.",
            "API key authentication is disabled",
            "OAuth authentication is currently not allowed for this organization.",
        ],
    )
    def test_by_anthropic(self, status: int, says: str) -> None:
        body = error_body_of("authentication_error", says)
        for kind in (error_body_of("permission_error", says), body):
            for seen in (claude(status, body=kind), claude(status, "provider", body=kind)):
                which = "token 1" if seen.token else "key"
                got = client_gets(seen)
                assert got == (
                    424,
                    "invalid_request_error",
                    f"{names(seen)}: {status}. anthropic refuses this proxy's {which}: {REPLACE}",
                    NO_RETRY,
                )

    @pytest.mark.parametrize("status", [401, 403])
    def test_by_others(self, status: int) -> None:
        for says, text in [
            ("invalid x-api-key", ""),
            ("no access to glm-5", ", no access to glm-5"),
        ]:
            got = client_gets(outcome(status, body=error_body_of("x", says)))
            words = f"zai/glm-5: {status}{text}. zai refuses this proxy's key: {REPLACE}"
            assert got == (424, "invalid_request_error", words, NO_RETRY)

    def test_in_the_first_event(self) -> None:
        body = error_body_of("authentication_error", "invalid x-api-key")
        status, _, message, headers = client_gets(outcome("event", status=200, body=body))
        assert (status, headers) == (424, NO_RETRY)
        assert "x-api-key" not in message

    @pytest.mark.parametrize("status", [400, 402, 403, 429])
    def test_nothing_left(self, status: int) -> None:
        for kind in ("billing_error", "invalid_request_error"):
            if status == 429 and kind != "billing_error":
                continue
            body = error_body_of(
                kind, "Your credit balance is too low to access the Anthropic API."
            )
            if status == 400 and kind == "billing_error":
                continue
            for seen in (claude(status, body=body), outcome(status, body=body)):
                which = "token 1" if seen.token else "key"
                at = seen.target.partition("/")[0]
                assert client_gets(seen) == (
                    424,
                    "invalid_request_error",
                    f"{names(seen)}: {status}. At {at}, nothing is left on the account of this proxy's "
                    f"{which}: {TOP_UP}",
                    NO_RETRY,
                )
            assert verdict.final([claude(status, "client", body=body)], now=NOW) is None

    @pytest.mark.parametrize("status", [500, 503, 404])
    @pytest.mark.parametrize(
        "says", ["invalid x-api-key", "Credit balance is too low", "not logged in"]
    )
    def test_words_about_it_with_another_status(self, status: int, says: str) -> None:
        got = client_gets(outcome(status, body=error_body_of("api_error", says)))
        assert got[2] == f"zai/glm-5: {status}"

    def test_a_request_that_is_wrong_is_explained(self) -> None:
        says = "messages.1: the login tool has no credit_card field"
        assert client_gets(outcome(400, body=error_body_of("x", says)))[2] == says
        says = "Sorry, your credit balance is too low"
        assert client_gets(outcome(400, body=error_body_of("x", says)))[2] == "zai/glm-5: 400"


class TestFastMode:
    FAST = error_body_of("rate_limit_error", "Fast mode limit reached")

    @pytest.mark.parametrize("credential", ["pool", "client"])
    def test_its_limit_is_the_clients_to_handle(self, credential: str) -> None:
        limited = claude(
            429, credential, is_fast=True, body=self.FAST, headers={"retry-after": "3000"}
        )
        assert verdict.judge(limited) == BACK
        assert verdict.final([limited], now=NOW, wait=0) is None

    def test_a_limit_of_the_account_is_as_always(self) -> None:
        headers = {
            "anthropic-ratelimit-unified-5h-status": "rejected",
            "anthropic-ratelimit-unified-5h-reset": str(NOW + 99),
        }
        assert verdict.judge(claude(429, is_fast=True, headers=headers)) == NEXT_TOKEN

    def test_other_failures_and_providers_are_as_always(self) -> None:
        assert verdict.judge(claude(529, is_fast=True)) == OUTAGE
        assert verdict.judge(outcome(429, is_fast=True)) == NEXT_TARGET


def check_end(one: Outcome) -> None:
    """There is always a verdict, and an answer that does the client no harm."""
    if verdict.judge(one).decision == "good":
        return
    answer = verdict.final([one, one], now=NOW)
    if answer is None:
        assert one.anthropic and one.kind is failures.Kind.STATUS
        return
    assert 400 <= answer.status < 600
    assert json.loads(answer.body)["error"]["message"]
    assert float(answer.headers.get("retry-after", 1)) <= 60, "without a pool"
    assert answer.status not in (401, 403) or one.credential == "client"
    assert answer.status != 404 or one.count_tokens


@pytest.mark.parametrize("credential", ["pool", "provider", "client"])
@pytest.mark.parametrize("anthropic", [True, False])
def test_every_status_has_an_end(credential: str, anthropic: bool) -> None:
    for status in (*range(1, 700), 999, 1000, 12345):
        for count_tokens in (False, True):
            check_end(
                outcome(
                    status, credential=credential, anthropic=anthropic, count_tokens=count_tokens
                )
            )


@settings(max_examples=150)
@given(
    st.sampled_from(failures.Kind),
    st.sampled_from([0, 200, 400, 401, 429, 503]),
    st.sampled_from(["pool", "provider", "client"]),
    st.one_of(
        st.binary(max_size=30), st.sampled_from(list(envelope.KINDS.values())).map(error_body_of)
    ),
    st.text(max_size=30),
)
def test_every_failure_has_an_end(
    kind: failures.Kind, status: int, credential: verdict.Credential, body: bytes, detail: str
) -> None:
    check_end(
        Outcome(
            target="a/b",
            credential=credential,
            anthropic=credential != "provider",
            kind=kind,
            status=status,
            body=body,
            detail=detail,
            headers={"retry-after": detail},
        )
    )


def client_gets(*outcomes: Outcome, **known: Any) -> tuple[int, str, str, dict[str, str]]:
    """Status, error type, message, and the headers about retrying."""
    answer = verdict.final(outcomes, now=NOW, **known)
    assert answer
    assert answer.headers.pop("content-type") == "application/json"
    value = json.loads(answer.body)
    assert value["type"] == "error"
    return answer.status, value["error"]["type"], value["error"]["message"], answer.headers


ABSENT = outcome("absent", target="ollama/qwen3", retry=False)
NO_RETRY = {"x-should-retry": "false"}


class TestOneAttempt:
    @pytest.mark.parametrize(
        "seen,status,kind,headers",
        [
            (400, 400, "invalid_request_error", {}),
            (404, 400, "invalid_request_error", {}),
            (405, 400, "invalid_request_error", {}),
            (408, 504, "timeout_error", {}),
            (409, 400, "invalid_request_error", {}),
            (413, 413, "request_too_large", {}),
            (422, 400, "invalid_request_error", {}),
            (429, 429, "rate_limit_error", {}),
            (500, 500, "api_error", {}),
            (502, 502, "api_error", {}),
            (503, 503, "api_error", {}),
            (504, 504, "timeout_error", {}),
            (520, 520, "api_error", {}),
            (529, 529, "overloaded_error", {}),
            (302, 502, "api_error", NO_RETRY),
            (999, 502, "api_error", {}),
            ("connect", 502, "api_error", {}),
            ("absent", 502, "api_error", {}),
            ("barred", 502, "api_error", NO_RETRY),
            ("reset", 502, "api_error", {}),
            ("timeout", 504, "timeout_error", {}),
            ("local", 500, "api_error", NO_RETRY),
        ],
    )
    def test_status(self, seen: int | str, status: int, kind: str, headers: dict[str, str]) -> None:
        assert client_gets(outcome(seen)) == (
            status,
            kind,
            f"zai/glm-5: {seen}",
            headers,
        )

    @pytest.mark.parametrize(
        "kind,status",
        [
            ("overloaded_error", 529),
            ("rate_limit_error", 429),
            ("api_error", 500),
            ("not_found_error", 400),
            ("made_up_error", 500),
        ],
    )
    def test_first_event(self, kind: str, status: int) -> None:
        seen = outcome("event", status=200, body=error_body_of(kind, "Busy"))
        assert client_gets(seen)[0] == status
        assert client_gets(seen)[2] == f"zai/glm-5: first event {kind}, Busy"

    @pytest.mark.parametrize(
        "seen,body,message",
        [
            ("connect", b"", "zai/glm-5: connection refused"),
            (503, b"<html><title>503 Busy</title>", "zai/glm-5: 503, 503 Busy"),
            (503, b"", "zai/glm-5: 503"),
            (503, b'{"error":{"message":"no capacity"}}', "zai/glm-5: 503, no capacity"),
            (404, b'{"error":"no model glm-9"}', "zai/glm-5: 404, no model glm-9"),
            (
                503,
                error_body_of("x", "bad key sk-1234567890"),
                "zai/glm-5: 503, bad key [redacted]",
            ),
            # to the letter, for Claude Code reads them
            (400, error_body_of("x", "capability_rejected: x"), "capability_rejected: x"),
            (413, error_body_of("x", "prompt is too long"), "prompt is too long"),
            (
                "event",
                error_body_of("invalid_request_error", "prompt is too long"),
                "prompt is too long",
            ),
            (422, error_body_of("x", "maximum context length is 9"), "maximum context length is 9"),
        ],
    )
    def test_message(self, seen: int | str, body: bytes, message: str) -> None:
        assert client_gets(outcome(seen, body=body, detail="connection refused"))[2] == message

    def test_secrets_that_look_like_nothing(self) -> None:
        seen = outcome(503, body=b"bad key hunter2")
        assert client_gets(seen, secrets=["hunter2"])[2] == "zai/glm-5: 503, bad key [redacted]"

    def test_count_tokens_may_be_missing(self) -> None:
        assert client_gets(outcome(404, count_tokens=True))[:2] == (404, "not_found_error")

    @pytest.mark.parametrize(
        "seen,value,retry_after",
        [
            (429, "7", "7"),
            (429, "0.2", "1"),
            (429, "60", "60"),
            (429, "61", "60"),
            (429, "7999", "60"),
            (429, "Fri, 15 Jan 2027 08:00:20 GMT", "20"),
            (503, "30", "30"),
            (529, "3600", "60"),
            (429, "soon", None),
            (429, "-1", None),
            (400, "7", None),
            (401, "7", None),
        ],
    )
    def test_retry_after(self, seen: int, value: str, retry_after: str | None) -> None:
        headers = client_gets(outcome(seen, headers={"retry-after": value}))[3]
        assert headers.get("retry-after") == retry_after


class TestAnthropic:
    @pytest.mark.parametrize("credential", ["pool", "client", "provider"])
    @pytest.mark.parametrize("status", [400, 404, 408, 413, 422, 429, 500, 503, 529])
    def test_its_only_answer_passes(self, status: int, credential: str) -> None:
        assert verdict.final([claude(status, credential)], now=NOW) is None

    @pytest.mark.parametrize("status", [401, 402, 403])
    def test_a_refused_credential_is_reported_only_if_it_is_the_clients(self, status: int) -> None:
        assert verdict.final([claude(status, "client")], now=NOW) is None
        for credential in ("pool", "provider"):
            seen = client_gets(claude(status, credential))
            assert (seen[0], seen[3]) == (424, NO_RETRY)

    def test_a_token_with_a_name(self) -> None:
        message = client_gets(claude(503), claude(529, token=2, token_name="alice"))[2]
        assert message == (
            "anthropic/claude-opus-5-5 (token 1): 503; anthropic/claude-opus-5-5 (token 2 alice): 529"
        )

    def test_a_disabled_organization_of_ours(self) -> None:
        assert client_gets(claude(400, body=ORG_DISABLED)) == (
            424,
            "invalid_request_error",
            f"anthropic/claude-opus-5-5 (token 1): 400. anthropic refuses this proxy's token 1: {REPLACE}",
            NO_RETRY,
        )
        assert verdict.final([claude(400, "client", body=ORG_DISABLED)], now=NOW) is None

    def test_no_answer(self) -> None:
        assert client_gets(claude("timeout", detail="silent for 120 s"))[:3] == (
            504,
            "timeout_error",
            "anthropic/claude-opus-5-5 (token 1): silent for 120 s",
        )

    def test_a_request_that_is_wrong_passes_after_others_too(self) -> None:
        assert verdict.final([claude(429), claude(400, token=2)], now=NOW) is None
        assert verdict.final([outcome(401), claude(404)], now=NOW) is None

    def test_after_other_attempts_the_error_is_ours(self) -> None:
        assert client_gets(claude(429), claude(529, token=2))[:3] == (
            529,
            "overloaded_error",
            "anthropic/claude-opus-5-5 (token 1): 429; anthropic/claude-opus-5-5 (token 2): 529",
        )


class TestSeveralAttempts:
    def test_the_last_error_and_the_names_of_all(self) -> None:
        assert client_gets(
            claude(429, token=2),
            outcome("connect", target="kimi/k3", detail="connection refused"),
            outcome(503, body=b'{"error":{"message":"Bearer abcdefgh123 is over capacity"}}'),
        ) == (
            503,
            "api_error",
            "anthropic/claude-opus-5-5 (token 2): 429; kimi/k3: connection refused; "
            "zai/glm-5: 503, Bearer [redacted] is over capacity",
            {},
        )

    def test_all_tokens_rest(self) -> None:
        status, kind, message, headers = client_gets(claude(429), claude(429, token=2), wait=3600.2)
        assert (status, kind, headers) == (429, "rate_limit_error", {"retry-after": "3601"})
        assert message == (
            "anthropic/claude-opus-5-5 (token 1): 429; anthropic/claude-opus-5-5 (token 2): 429. "
            "All Claude tokens are resting; the first is available in 3601 s, at 2027-01-15T09:00:00+00:00"
        )

    def test_the_wait_is_the_pools_not_the_last_tokens(self) -> None:
        seen = client_gets(claude(429, headers={"retry-after": "50"}), wait=7)
        assert seen[3] == {"retry-after": "7"}
        assert "available in 7 s" in seen[2]

    @pytest.mark.parametrize("wait", [0, None])
    def test_a_limit_passes_that_rests_no_token(self, wait: float | None) -> None:
        limited = claude(429, body=error_body_of("rate_limit_error", "Extra usage is required"))
        assert verdict.final([limited], now=NOW, wait=wait) is None

    def test_the_pools_limit_is_told_in_our_words(self) -> None:
        limited = claude(429, body=error_body_of("rate_limit_error", "Too much"))
        status, _, message, headers = client_gets(limited, wait=7199.5)
        assert (status, headers) == (429, {"retry-after": "7200"})
        assert message == (
            "anthropic/claude-opus-5-5 (token 1): 429, Too much. All Claude tokens are resting; the first "
            "is available in 7200 s, at 2027-01-15T09:59:59+00:00"
        )

    def test_a_limit_of_the_clients_own_passes(self) -> None:
        limited = claude(429, "client", headers={"retry-after": "7999"})
        assert verdict.final([limited], now=NOW, wait=7999) is None

    def test_a_fallback_may_be_back_before_the_pool(self) -> None:
        assert client_gets(claude(429), outcome(503), wait=7200)[3] == {"retry-after": "60"}
        assert client_gets(claude(429), outcome(429), wait=7200)[3] == {"retry-after": "60"}

    def test_another_token_has_become_available(self) -> None:
        limited = claude(429, headers={"retry-after": "7999"})
        assert client_gets(limited, wait=0)[2:] == (
            "anthropic/claude-opus-5-5 (token 1): 429",
            {"retry-after": "60"},
        )

    def test_a_wait_is_not_reported_unless_a_token_was_limited(self) -> None:
        assert "due" not in client_gets(outcome(503), outcome(503), wait=7)[2]

    def test_our_key_is_refused_last(self) -> None:
        seen = client_gets(claude(429), outcome(401), wait=30)
        assert (seen[0], seen[3]) == (424, NO_RETRY)

    def test_passthrough_limit_then_a_failed_fallback(self) -> None:
        limited = claude(429, "client", headers={"retry-after": "7999"})
        assert client_gets(limited, outcome(503))[:3] == (
            503,
            "api_error",
            "anthropic/claude-opus-5-5: 429; zai/glm-5: 503",
        )


WRONG = error_body_of("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum")


class TestAFallbackThatRefusesTheRequest:
    """It never hides that the model which was asked for may be back."""

    @pytest.mark.parametrize("refusal", [400, 404, 413, 422])
    @pytest.mark.parametrize(
        "seen, status, kind",
        [
            ("connect", 502, "api_error"),
            ("reset", 502, "api_error"),
            ("timeout", 504, "timeout_error"),
            (408, 504, "timeout_error"),
            (429, 429, "rate_limit_error"),
            (500, 500, "api_error"),
            (503, 503, "api_error"),
            (529, 529, "overloaded_error"),
        ],
    )
    def test_after_what_can_be_retried(
        self, seen: int | str, status: int, kind: str, refusal: int
    ) -> None:
        for first, fallback in (
            (claude(seen, "client"), outcome(refusal, body=WRONG)),
            (outcome(seen), claude(refusal, body=WRONG)),
            (claude(seen), dataclasses.replace(claude(refusal, body=WRONG), target="anthropic/x")),
        ):
            got = client_gets(first, fallback)
            assert got[:2] == (status, kind)
            assert got[2] == f"{names(first)}: {first.why}; {names(fallback)}: {refusal}"
            assert "x-should-retry" not in got[3]

    def test_after_a_first_event(self) -> None:
        first = claude("event", body=error_body_of("overloaded_error"), status=200)
        assert client_gets(first, outcome(400, body=WRONG))[:2] == (529, "overloaded_error")

    @pytest.mark.parametrize(
        "first",
        [
            claude(401),
            claude(402),
            outcome(402, target="other/m"),
            claude("local"),
            outcome(302, target="other/m"),
            claude(400, body=ORG_DISABLED),
            outcome(503),
            dataclasses.replace(outcome(429, target="other/m"), retry=False),
        ],
        ids=lambda one: f"{one.target} {one.why}",
    )
    def test_its_refusal_passes_after_what_cannot(self, first: Outcome) -> None:
        got = client_gets(first, outcome(400, body=WRONG))
        assert got[:3] == (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum")

    @pytest.mark.parametrize("first", [ABSENT, outcome("barred", target="other/m")])
    def test_but_where_the_first_waits_for_its_user(self, first: Outcome) -> None:
        got = client_gets(first, outcome(400, body=WRONG))
        assert got == (502, "api_error", f"{first.target}: {first.why}; zai/glm-5: 400", NO_RETRY)
        assert client_gets(claude(529), first, outcome(400, body=WRONG))[0] == 529

    @pytest.mark.parametrize("fallback", [ABSENT, outcome("barred", target="other/m")])
    def test_a_fallback_that_waits_for_its_user(self, fallback: Outcome) -> None:
        """It doesn't keep the client from waiting for the model that was asked for."""
        got = client_gets(claude(529), fallback)
        assert got[:2] == (529, "overloaded_error")
        assert got[2].endswith(f": 529; {fallback.target}: {fallback.why}")
        assert got[3] == {}
        assert client_gets(claude(401), fallback)[3] == NO_RETRY

    def test_the_time_is_that_of_the_failure(self) -> None:
        first = claude(429, "client", headers={"retry-after": "7"})
        fallback = outcome(400, headers={"retry-after": "9"}, body=WRONG)
        assert client_gets(first, fallback)[3] == {"retry-after": "7"}

    def test_the_last_of_several(self) -> None:
        tokens = [claude(429), claude(529, token=2)]
        status, _, message, headers = client_gets(*tokens, outcome(400, body=WRONG), wait=12.5)
        assert (status, headers) == (529, {"retry-after": "13"})
        assert "All Claude tokens are resting" in message

    def test_counting_tokens_goes_on_without_an_answer(self) -> None:
        failed = claude(529, count_tokens=True)
        assert client_gets(failed, outcome(404, count_tokens=True))[0] == 404


def names(one: Outcome) -> str:
    return f"{one.target} (token {one.token})" if one.token else one.target


def test_nothing_could_be_tried() -> None:
    assert client_gets() == (
        424,
        "invalid_request_error",
        "All Claude tokens of this proxy are disabled: whoever runs it has to replace them",
        NO_RETRY,
    )
    assert client_gets(wait=7199.5)[3] == {"retry-after": "7200"}
    status, kind, message, headers = client_gets(wait=12.5)
    assert (status, kind, headers) == (429, "rate_limit_error", {"retry-after": "13"})
    assert message.startswith(
        "All Claude tokens are resting; the first is available in 13 s, at 2027-01-15T08"
    )


def test_content_and_headers_do_not_show_in_a_repr() -> None:
    assert "hunter2" not in repr(outcome(401, headers={"x": "hunter2"}, body=b"hunter2"))


def test_a_target_with_a_name_that_cannot_be_encoded() -> None:
    assert client_gets(outcome(503, target="zai/\ud83e"))[2] == "zai/?: 503"
