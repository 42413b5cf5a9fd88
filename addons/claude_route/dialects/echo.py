"""What an error repeats of the request, which is not the provider's own verdict."""

from __future__ import annotations

import re

_ECHO = re.compile(
    # FastAPI and Pydantic repeat what they refuse.
    r"['\"]input['\"]\s?:.*|\binput_value=.*"
    # Other servers quote it. Short quotations are names, and one after `"message":` is an error itself.
    r"|(?<!['\"]message['\"]: )(?<!['\"]message['\"]:)(?<!\w)(?P<quote>[\"'`])"
    r"(?:(?!(?P=quote))[^\\]|\\.){60,}(?P=quote)(?!\w)",
    re.DOTALL,
)
"""What the request itself may have put into an error."""

_LONGEST = 1000
"""The characters of an error in which we look for a class: a refusal names its reason first."""


def removed(message: str) -> str:
    """The message without what it repeats of the request."""
    return _ECHO.sub("…", message[:_LONGEST])
