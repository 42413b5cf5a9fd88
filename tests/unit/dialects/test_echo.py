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
