from __future__ import annotations

import email.utils
from datetime import UTC
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from claude_route.dialects import error_body
from claude_route.dialects.error_body import Fault
from claude_route.routing import quota
from claude_route.routing.quota import Disable
from claude_route.routing.quota import Rest

NOW = 1_800_000_000.0
COOLDOWN = 60.0
WEEK = 7 * 86400
U = "anthropic-ratelimit-unified-"


def effects(
    status: int,
    headers: dict[str, str] | None = None,
    fault: Fault = error_body.NONE,
    model: str | None = "claude-opus-5-5",
) -> list[Rest | Disable]:
    return quota.effects(status, headers or {}, fault, now=NOW, cooldown=COOLDOWN, model=model)


def unified(status: str = "rejected", **windows: str) -> dict[str, str]:
    """`w5h="rejected 3600"`: that window's status and its reset, in seconds from now."""
    headers = {f"{U}status": status}
    for name, value in windows.items():
        state, _, left = value.partition(" ")
        headers[f"{U}{name[1:]}-status"] = state
        if left:
            headers[f"{U}{name[1:]}-reset"] = f"{NOW + int(left):.0f}"
    return headers


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat().replace("+00:00", "Z")


# Each row: the headers of a 429 -> seconds of rest by family of models (None: all).
LIMITS = [
    pytest.param(unified(w5h="rejected 3600", w7d="allowed 99999"), {None: 3600}, id="5h"),
    pytest.param(
        unified(w5h="rejected 3600", w7d="rejected 7999"), {None: 7999}, id="latest-rejected"
    ),
    pytest.param(
        unified(w5h="rejected 3600", w7d="allowed_warning 7999", woverage="rejected 99999"),
        {None: 3600},
        id="overage-is-no-window",
    ),
    pytest.param(
        {name.title(): v for name, v in unified(w5h="rejected 3600").items()},
        {None: 3600},
        id="names-in-any-case",
    ),
    pytest.param(
        unified(w7d_oi="rejected 5000", w5h="allowed 9"), {"opus": 5000}, id="model-window"
    ),
    pytest.param(
        unified(w7d_oi="rejected 5000", w5h="rejected 90"),
        {None: 90, "opus": 5000},
        id="account-and-model-window",
    ),
    pytest.param(
        unified(w7d_oi="rejected") | {"retry-after": "121180"},
        {"opus": 121180},
        id="model-window-without-reset",
    ),
    pytest.param(
        unified(w5h="rejected -5") | {f"{U}reset": f"{NOW + 70:.0f}", "retry-after": "7"},
        {None: 70},
        id="past-reset-falls-to-unified",
    ),
    pytest.param(
        unified(w5h="rejected") | {f"{U}5h-reset": "soon", "retry-after": "7"},
        {None: 7},
        id="unparsable-reset-falls-to-retry-after",
    ),
    pytest.param(
        unified() | {f"{U}reset": f"{NOW + 500:.0f}", "retry-after": "7"},
        {None: 500},
        id="unified-reset",
    ),
    pytest.param(
        unified() | {f"{U}reset": f"{NOW + 500:.0f}", f"{U}representative-claim": "five_hour"},
        {None: 500},
        id="account-claim",
    ),
    pytest.param(
        unified() | {f"{U}reset": f"{NOW + 500:.0f}", f"{U}representative-claim": "seven_day_opus"},
        {"opus": 500},
        id="opus-claim",
    ),
    pytest.param(
        unified()
        | {f"{U}reset": f"{NOW + 500:.0f}", f"{U}representative-claim": "seven_day_sonnet"},
        {"sonnet": 500},
        id="sonnet-claim",
    ),
    pytest.param(
        unified()
        | {
            f"{U}reset": f"{NOW + 500:.0f}",
            f"{U}representative-claim": "seven_day_overage_included",
        },
        {"opus": 500},
        id="claim-on-the-model-asked-for",
    ),
    pytest.param(
        unified("allowed") | {f"{U}reset": f"{NOW + 500:.0f}", "retry-after": "7"},
        {None: 7},
        id="unified-reset-counts-only-when-rejected",
    ),
    pytest.param({"retry-after": "7"}, {None: 7}, id="retry-after"),
    pytest.param({"retry-after": " 1.5 "}, {None: 1.5}, id="retry-after-fraction"),
    pytest.param(
        {"retry-after": email.utils.formatdate(NOW + 30, usegmt=True)}, {None: 30}, id="http-date"
    ),
    pytest.param(
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": rfc3339(20),
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": rfc3339(45),
            "anthropic-ratelimit-output-tokens-remaining": "9",
            "anthropic-ratelimit-output-tokens-reset": rfc3339(900),
        },
        {None: 45},
        id="api-key-limits",
    ),
    pytest.param(
        {
            "retry-after": "7",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": rfc3339(20),
        },
        {None: 7},
        id="retry-after-before-api-key-limits",
    ),
    pytest.param({}, {None: COOLDOWN}, id="nothing"),
    pytest.param({"x-should-retry": "false"}, {None: COOLDOWN}, id="nothing-and-no-retry"),
    pytest.param({"x-should-retry": "true"}, {}, id="identity-gate"),
    pytest.param(
        {"x-should-retry": "true", f"{U}overage-disabled-reason": "out_of_credits"},
        {None: COOLDOWN},
        id="a-quota-says-retry-too",
    ),
    # what must not be believed
    pytest.param({"retry-after": "0"}, {None: COOLDOWN}, id="zero"),
    pytest.param({"retry-after": "-5"}, {None: COOLDOWN}, id="negative"),
    pytest.param({"retry-after": "nan"}, {None: COOLDOWN}, id="nan"),
    pytest.param({"retry-after": "inf"}, {None: COOLDOWN}, id="inf"),
    pytest.param({"retry-after": "1e3"}, {None: COOLDOWN}, id="exponent"),
    pytest.param({"retry-after": "٣"}, {None: COOLDOWN}, id="arabic-digit"),
    pytest.param({"retry-after": "7\x1f"}, {None: COOLDOWN}, id="control-character"),
    pytest.param({"retry-after": "7, 7"}, {None: COOLDOWN}, id="twice"),
    pytest.param({"retry-after": "9" * 5000}, {None: COOLDOWN}, id="endless"),
    pytest.param({"retry-after": "999999999"}, {None: quota.LONGEST}, id="huge"),
    pytest.param(
        unified(w5h="rejected") | {f"{U}5h-reset": f"{(NOW + 60) * 1000:.0f}"},
        {None: quota.LONGEST},
        id="milliseconds",
    ),
    pytest.param(
        {"retry-after": email.utils.formatdate(NOW - 30, usegmt=True)},
        {None: COOLDOWN},
        id="past-date",
    ),
    pytest.param({"retry-after": "Fri, 32 Foo 99999 25:61:61"}, {None: COOLDOWN}, id="no-date"),
    pytest.param(
        {"retry-after": "Fri, 5 Jan 99999082300:20 29999"}, {None: COOLDOWN}, id="date-overflow"
    ),
]


@pytest.mark.parametrize("headers,rests", LIMITS)
def test_429(headers: dict[str, str], rests: dict[str | None, float]) -> None:
    done = effects(429, headers)
    assert all(isinstance(effect, Rest) for effect in done)
    assert {e.family: e.until - NOW for e in done if isinstance(e, Rest)} == rests


def test_a_model_window_without_a_known_model_is_the_whole_token() -> None:
    assert effects(429, unified(w7d_oi="rejected 5000"), model=None) == [
        Rest(NOW + 5000, None, "429, 7d_oi")
    ]


CREDIT = "Your credit balance is too low to access the Anthropic API"


@pytest.mark.parametrize(
    "status,fault,expected",
    [
        (401, Fault("authentication_error", "invalid x-api-key"), "disable"),
        (401, Fault("authentication_error", "Invalid bearer token"), "disable"),
        (401, Fault("", "OAuth access token has been revoked"), "disable"),
        (401, Fault("", "", "token_expired"), "disable"),
        (401, Fault("authentication_error", "OAuth token has expired. Refresh it"), "disable"),
        (403, Fault("permission_error", "OAuth token has been revoked"), "disable"),
        (
            403,
            Fault(
                "permission_error",
                "OAuth authentication is currently not allowed for this organization",
            ),
            "disable",
        ),
        (403, Fault("permission_error", "API key authentication is disabled"), "disable"),
        (400, Fault("invalid_request_error", "This organization has been disabled."), "disable"),
        (401, Fault("", "502 Bad Gateway"), COOLDOWN),
        (401, error_body.NONE, COOLDOWN),
        (402, Fault("billing_error", "no"), quota.CREDIT_REST),
        (402, error_body.NONE, quota.CREDIT_REST),
        (400, Fault("invalid_request_error", CREDIT), quota.CREDIT_REST),
        (403, Fault("permission_error", CREDIT), quota.CREDIT_REST),
        (429, Fault("billing_error", "spend cap"), quota.CREDIT_REST),
        (403, Fault("permission_error", "Your organization may not use this model"), None),
        (
            403,
            Fault("permission_error", "Web search is disabled for this organization"),
            None,
        ),
        (403, error_body.NONE, None),
        (429, Fault("rate_limit_error", "x", "credits_required"), None),
        (429, Fault("rate_limit_error", "Extra usage is required for long context"), None),
        (429, Fault("rate_limit_error", "Usage credits are required for 1M context"), None),
        (400, Fault("invalid_request_error", "prompt is too long"), None),
        (
            400,
            Fault(
                "invalid_request_error",
                "This credential is only authorized for use with Claude Code",
            ),
            None,
        ),
        (404, Fault("not_found_error", "OAuth token has been revoked"), None),
        (413, Fault("request_too_large", ""), None),
        (408, error_body.NONE, None),
        (422, error_body.NONE, None),
        (500, Fault("api_error", "OAuth token has been revoked"), None),
        (503, error_body.NONE, None),
        (529, Fault("overloaded_error", "Overloaded"), None),
        (200, error_body.NONE, None),
    ],
)
def test_who_is_to_blame(status: int, fault: Fault, expected: str | float | None) -> None:
    done = effects(status, {}, fault)
    if expected is None:
        assert done == []
    elif expected == "disable":
        assert [type(effect) for effect in done] == [Disable]
    else:
        assert [e.until - NOW for e in done if isinstance(e, Rest)] == [expected]


def test_a_rejected_window_outweighs_talk_of_extra_usage() -> None:
    fault = Fault("rate_limit_error", "You're out of extra usage")
    assert effects(429, unified(w5h="rejected 3600"), fault) == [Rest(NOW + 3600, None, "429, 5h")]


@pytest.mark.parametrize("status", [400, 404, 413, 500, 529])
def test_headers_of_other_answers_rest_nothing(status: int) -> None:
    assert effects(status, unified(w5h="rejected 3600") | {"retry-after": "7"}) == []


def test_windows() -> None:
    headers = {
        f"{U}5h-utilization": "0.42",
        f"{U}5h-reset": f"{NOW + 60:.0f}",
        f"{U}7d-utilization": "1.02",
        f"{U}7d_oi-utilization": "0.9",
    }
    assert quota.windows(headers, NOW) == {
        "5h": quota.Window(0.42, NOW + 60),
        "7d": quota.Window(1.02, float("inf")),
    }
    assert quota.windows({f"{U}5h-utilization": "nan", f"{U}7d-utilization": ""}, NOW) == {}


@pytest.mark.parametrize(
    "model,family",
    [
        ("claude-opus-5-5", "opus"),
        ("claude-sonnet-5-5[1m]", "sonnet"),
        ("claude-3-5-haiku-latest", "haiku"),
        ("anthropic/claude-fable-5", "fable"),
        ("claude-4", "claude-4"),
        ("", ""),
    ],
)
def test_family(model: str, family: str) -> None:
    assert quota.family(model) == family


def test_text() -> None:
    assert Rest(NOW + 3600, None, "429, 5h").text(NOW) == "rests 3600 s"
    assert Rest(NOW + 60, "opus", "429").text(NOW) == "rests 60 s for opus"
    assert "until .env or the profile changes (401, x)" in Disable("401, x").text(NOW)


@settings(max_examples=150)
@given(
    st.integers(200, 599),
    st.dictionaries(
        st.sampled_from(
            [
                "retry-after",
                "x-should-retry",
                f"{U}status",
                f"{U}reset",
                f"{U}5h-status",
                f"{U}5h-reset",
                f"{U}7d_oi-status",
                f"{U}7d_oi-reset",
                f"{U}representative-claim",
                f"{U}5h-utilization",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ]
        ),
        st.one_of(
            st.text(max_size=30),
            st.floats().map(str),
            st.integers(-(10**18), 10**18).map(str),
            st.datetimes().map(datetime.isoformat),
            st.sampled_from(["rejected", "true", "0", "0001-01-01T00:00:00+23:59"]),
        ),
    ),
)
def test_whatever_the_headers_say(status: int, headers: dict[str, str]) -> None:
    for effect in effects(status, headers):
        assert isinstance(effect, Disable) or NOW < effect.until <= NOW + quota.LONGEST
    for window in quota.windows(headers, NOW).values():
        assert 0 <= window.utilisation < float("inf")
        assert window.reset > NOW
    seconds = quota.retry_after(headers, NOW)
    assert seconds is None or 0 < seconds <= quota.LONGEST


FAST = Fault("rate_limit_error", "This request would exceed the rate limit for fast mode")


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({}, None),
        ({"retry-after": "3000"}, None),
        ({"retry-after": "3000", "anthropic-fast-input-tokens-remaining": "0"}, None),
        ({"retry-after": "3000", "anthropic-ratelimit-requests-remaining": "7"}, None),
        ({f"{U}status": "rejected", f"{U}representative-claim": "overage"}, None),
        (unified(w5h="rejected 5000"), 5000.0),
        (
            {
                f"{U}status": "rejected",
                f"{U}representative-claim": "five_hour",
                f"{U}reset": str(NOW + 700),
            },
            700.0,
        ),
        ({"retry-after": "30", "anthropic-ratelimit-requests-remaining": "0"}, 30.0),
    ],
)
def test_fast_mode_has_limits_of_its_own(headers: dict[str, str], rest: float | None) -> None:
    done = quota.effects(429, headers, FAST, now=NOW, cooldown=COOLDOWN, is_fast=True)
    assert [e.until - NOW for e in done if isinstance(e, Rest)] == ([rest] if rest else [])
    assert quota.effects(429, headers, FAST, now=NOW, cooldown=COOLDOWN), "without fast mode"
