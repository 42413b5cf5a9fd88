"""Recognises that a provider's account has nothing left, or has reached a limit, whatever the status."""

from __future__ import annotations

import re

_EMPTY = re.compile(
    r"insufficient[_ ]+(?:account[_ ]+|user[_ ]+)?(?:balance|credits?|funds?|quota)"
    r"|(?:no|not enough|run out of|ran out of|out of|exhausted (?:your )?|requires more|buy (?:more )?|add more)"
    r" (?:account )?(?:balance|credits?|funds)\b"
    r"|(?:account )?balance (?:is )?(?:not enough|insufficient|too low|exhausted|depleted|negative|overdue|empty)"
    r"|credit balance is too low|credits? (?:are|is|has been|have been) (?:depleted|exhausted|used up)"
    r"|\barrear(?:s|age)?\b|in arrears|overdue[- ]payment|payment[_ ]required|account is in good standing"
    r"|no (?:available )?resource package|please (?:recharge|top up)|exceeded_current_quota"
    r"|key limit exceeded"
    r"|suspended.{0,60}(?:check your plan|billing|recharge|balance)"
    r"|余额|欠费|充值|资源包|额度(?:不足|已用)",
    re.IGNORECASE,
)

_RATE = re.compile(
    r"tokens? per (?:minute|min\b|day|hour)|requests? per (?:minute|min\b|day|hour)|\((?:TPM|RPM|TPD|RPD)\)"
    r"|\brate[_ ]limit|\btoo[_ ]many[_ ]requests",
    re.IGNORECASE,
)

_REQUESTED = re.compile(
    r"limit:? (?P<limit>\d{1,15})\b.*?requested:? (?P<requested>\d{1,15})\b", re.I | re.S
)


def is_empty(status: int, code: str, message: str) -> bool:
    """Whether the account that the key belongs to has nothing left to pay with.

    Such answers have many statuses: MiniMax's is 500, Z.ai's and OpenAI's 429, DeepSeek's 402,
    Alibaba's 400.
    """
    if status == 402:
        return True
    return status in (400, 403, 429, 500) and _EMPTY.search(f"{code} {message}") is not None


def is_rate_limit(status: int, code: str, message: str) -> bool:
    """Whether it is a limit of so many tokens or requests in a time. Groq has 413 for a request that is
    larger than the tokens of a minute."""
    if status == 429:
        return True
    return status in (400, 403, 413) and names_rate_limit(f"{code} {message}")


def names_rate_limit(text: str) -> bool:
    """Whether an error is about such a limit, as far as its words show."""
    return _RATE.search(text) is not None


def may_pass(message: str) -> bool:
    """Whether waiting helps: not if the request alone is larger than the limit."""
    if numbers := _REQUESTED.search(message):
        return int(numbers["requested"]) <= int(numbers["limit"])
    return True
