from __future__ import annotations

import pytest

from claude_route.dialects import echo

LONG = "this model does not support image input, and the prompt is too long, says the README"


@pytest.mark.parametrize(
    ("message", "rest"),
    [
        ("No", "No"),
        (f"{{'msg': 'Field required', 'input': {{'text': '{LONG}'}}}}", "{'msg': 'Field required', …"),
        (f"Field required [type=missing, input_value={LONG!r}]", "Field required [type=missing, …"),
        (f'Cannot parse "{LONG}" as a tool call', "Cannot parse … as a tool call"),
        (f"Cannot parse `{LONG}`.", "Cannot parse …."),
        # What is the provider's own.
        ("unknown variant `image`, expected `text`", "unknown variant `image`, expected `text`"),
        (f'Wrapped: {{"error": {{"message": "{LONG}"}}}}', f'Wrapped: {{"error": {{"message": "{LONG}"}}}}'),
        (f"Error code: 400 - {{'error': {{'message': \"{LONG}\"}}}}", f"Error code: 400 - {{'error': {{'message': \"{LONG}\"}}}}"),
        (
            "This model's window is 9 tokens, and the request's text has many more of them, it's said",
            "This model's window is 9 tokens, and the request's text has many more of them, it's said",
        ),
        ("Invalid input: images are not supported", "Invalid input: images are not supported"),
    ],
)  # fmt: skip
def test_removed(message: str, rest: str) -> None:
    assert echo.removed(message) == rest


def test_only_the_beginning_counts() -> None:
    assert "too long" not in echo.removed("x" * 1000 + " prompt is too long")


DISABLED = "this organization has been disabled"


@pytest.mark.parametrize(
    ("request_part", "expected"),
    [
        (b'{"model": "claude-x", "messages": []}', False),
        (b'{"This organization has been disabled.": 1}', True),
        (b'{"model": "This organization has been disabled."}', True),
        (b'{"text": "it says: this  ORGANIZATION\\nhas_been-disabled, why?"}', True),
        ('{"a": "this\u00a0organization\u2003has been disabled"}'.encode(), True),
        (b'{"name": "This organization"}', True),
        (b"[1,'This organization']", True),
        (b"This organization", True),
        (b'{"text": "All of this organization is here"}', False),
        (b'{"text": "this organizations"}', False),
        (b'{"\\u0054his organization": 1}', True),
        (b'{"this\\u0020organization": 1}', True),
        (b'{"text": "caf\\u00e9 \\u003c"}', False),
        (b" " * (echo.MAX_SEARCHED + 1), True),
    ],
)
def test_words_of_the_request(request_part: bytes, expected: bool) -> None:
    assert echo.may_repeat(DISABLED, [b"", request_part]) is expected


def test_no_words() -> None:
    assert not echo.may_repeat("", [b'{"model": ""}'])
    assert not echo.may_repeat("余额", [b'{"model": ""}'])


@pytest.mark.parametrize(
    ("message", "request_part", "expected"),
    [
        ("max_tokens: 99 > 8, which is the maximum", b'{"max_tokens": 99}', False),
        ("thinking: Extra inputs are not permitted", b'{"thinking": {"type": "enabled"}}', False),
        ("thinking is not supported", b'{"tools": [{"name": "thinking"}]}', True),
        ("`thinking` is not supported", b'{"tools": [{"name" : "Thinking"}]}', True),
        ("tools is not supported", b'{"model": "tools"}', True),
        ("Unknown parameter: 'tools'", b'{"user": "Unknown parameter: \\u0027tools"}', True),
        ("", b'{"model": ""}', False),
    ],
)
def test_names_of_the_request(message: str, request_part: bytes, expected: bool) -> None:
    assert echo.may_name(message, [request_part]) is expected
