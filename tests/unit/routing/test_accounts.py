"""What an error says about the account."""

from __future__ import annotations

import pytest

from claude_route.dialects.error_body import Fault
from claude_route.routing import accounts

KIND = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"}

REFUSED = [
    "This organization has been disabled.",
    "Your organization has been disabled",
    "Your account has been suspended. Contact support.",
    "Your workspace has been archived.",
    "OAuth token has been revoked. Please obtain a new token.",
    "OAuth access token has been revoked",
    "OAuth authentication is currently not allowed for this organization.",
    "OAuth token does not meet scope requirement user:inference",
    "API key authentication is disabled",
]

SPENT = [
    "You're out of extra usage. Add more at claude.ai/settings/usage and keep going.",
    "You’re out of extra usage · resets 3pm",
    "You are out of usage credits.",
    "Third-party apps now draw from your extra usage, not your plan limits. We've added a credit to "
    "get you started. Claim it at claude.ai/settings/usage and keep going.",
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to "
    "upgrade or purchase credits.",
    "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
    "Your organization has reached its monthly spend limit.",
    "Your account does not have access to Claude Code. Please run /login.",
    "Your organization does not have access to Claude. Please login again or contact your administrator.",
    "Extra usage is not enabled for your organization.",
    "Your subscription has expired.",
]

OF_THE_REQUEST = [
    "",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "messages.0.content.0.text: You're out of extra usage",
    "Web search is disabled for this organization",
    "Your organization may not use this model",
    "Your organization has been disabled from using web search",
    "The long context beta is not yet available for this subscription.",
    "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
    "You have exceeded the maximum number of images",
]


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("message", REFUSED)
def test_a_credential_that_will_not_be_accepted_again(status: int, message: str) -> None:
    assert accounts.refusal(status, Fault(KIND[status], message))
    assert accounts.spent(status, Fault(KIND[status], message)) is None


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("message", SPENT)
def test_an_account_that_has_nothing_left(status: int, message: str) -> None:
    assert accounts.spent(status, Fault(KIND[status], message))
    assert accounts.refusal(status, Fault(KIND[status], message)) is None


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("message", OF_THE_REQUEST)
def test_what_is_wrong_with_a_request(status: int, message: str) -> None:
    fault = Fault(KIND[status], message)
    assert accounts.refusal(status, fault) is accounts.spent(status, fault) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ": Extra inputs are not permitted"),
        ("", " is not permitted"),
        ("", ". x: Extra inputs are not permitted"),
        ("tools.0: ", ""),
        ("`", "` is not a tool"),
        ("model: ", ""),
        ('"', '"'),
    ],
)
@pytest.mark.parametrize("message", [*REFUSED, *SPENT])
def test_no_request_can_write_it(message: str, before: str, after: str) -> None:
    words = message.rstrip(".")
    fault = Fault("invalid_request_error", f"{before}{words}{after}")
    if after == " is not permitted" and ("." in words or "·" in words or "," in words):
        return  # several sentences: Anthropic repeats no field in this form
    assert accounts.refusal(400, fault) is accounts.spent(400, fault) is None


@pytest.mark.parametrize("message", [*REFUSED, *SPENT])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ""),
        (400, "not_found_error"),
        (403, ""),
        (403, "api_error"),
        (404, "invalid_request_error"),
        (413, "invalid_request_error"),
        (422, "invalid_request_error"),
        (500, "permission_error"),
        (529, "overloaded_error"),
        (200, "invalid_request_error"),
    ],
)
def test_status_and_type_count_too(status: int, kind: str, message: str) -> None:
    fault = Fault(kind, message)
    assert accounts.refusal(status, fault) is accounts.spent(status, fault) is None


@pytest.mark.parametrize(
    ("message", "regained"),
    [
        ("You will regain access on 2026-12-01 at 00:00 UTC.", 1_796_083_200.0),
        ("You will regain access on 2026-12-01 at 01:30 UTC.", 1_796_088_600.0),
        ("you will regain access on 2026-12-01", 1_796_083_200.0),
        ("You will regain access on 2026-13-41", None),
        ("You will regain access soon", None),
        ("", None),
    ],
)
def test_regained(message: str, regained: float | None) -> None:
    assert accounts.regained(Fault("", message)) == regained
