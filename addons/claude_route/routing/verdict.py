"""Decides after each attempt whether to try the next one, and what the client gets when all have
failed."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import Literal
from typing import NamedTuple

from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import overflow
from claude_route.routing import accounts
from claude_route.routing import failures
from claude_route.routing import quota

type Credential = Literal["pool", "provider", "client"]
type Decision = Literal["good", "next", "back"]
type Cause = Literal["request", "credential", "target", "outage"]

PAGE_STATUSES = (400, 403, 404, 405, 406, 407, 418, 421, 451)
"""With these, a web page says nothing about the request. A 401, 413 or 429 means the same in any form."""

MAX_RETRY_AFTER = 60
"""Seconds. If it is longer, Claude Code gives up at once instead of waiting. That is right only where
nothing else can help before: where all tokens of the pool rest."""

CLAUDE_CODES_WORDS = re.compile(
    r"x-api-key|credit balance|oauth|/login|not logged in|api key authentication"
    r"|(account|organization) has been disabled",
    re.IGNORECASE,
)
"""What providers say about credentials, and Claude Code takes to be about the user's own, whatever the
status: it shows words of its own for them, such as to run /login."""


@dataclass(frozen=True)
class Outcome:
    """What we know about an attempt before the client has seen any of its answer."""

    target: str
    """`zai/glm-5`."""
    credential: Credential
    """A pool token, the provider's own key (or no key), or the client's own credential."""
    anthropic: bool
    """Whether the provider is Anthropic itself."""
    kind: failures.Kind
    detail: str = ""
    """A description, if no response headers arrived."""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """With names in lower case, or a mapping that ignores case."""
    body: bytes = field(default=b"", repr=False)
    """The error body, decompressed; for an `event`, that event's data."""
    token: int | None = None
    """The position of the pool's token."""
    is_fast: bool = False
    """Whether the request asks for `speed: fast`, which has limits of its own."""
    token_name: str = ""
    """What the profile calls that token; empty if it has no name there."""
    count_tokens: bool = False
    retry: bool = True
    """Whether the same request to the same target could succeed later, as far as we know."""
    may_repeat: bool = False
    """Whether what its words say about an account may be the request's own words."""

    @functools.cached_property
    def fault(self) -> error_body.Fault:
        return error_body.read(self.body)

    @property
    def account_fault(self) -> error_body.Fault:
        """The fault as far as it may tell of an account."""
        return self.fault._replace(message="") if self.may_repeat else self.fault

    @property
    def overflows(self) -> bool:
        """Whether the conversation is too long for the target."""
        return overflow.size(self.fault.message) is not None

    @property
    def error_status(self) -> int:
        """The status or, if the first event is an error, the status of that error's type."""
        if self.kind is failures.Kind.EVENT:
            return envelope.STATUSES.get(self.fault.kind, 500)
        return self.status

    @property
    def why(self) -> str:
        """A summary of the failure: `429`, `first event overloaded_error`, `silent for 120 s`."""
        match self.kind:
            case failures.Kind.STATUS:
                return str(self.status)
            case failures.Kind.EVENT:
                if self.fault.kind or not self.detail:
                    return f"first event {error_body.clean(self.fault.kind or 'error')}"
        return error_body.clean(self.detail) or str(self.kind)


class Rule(NamedTuple):
    seen: Collection[int | str]
    """Statuses, and the kinds of failures that have none."""
    credentials: Collection[Credential]
    decision: Decision
    cause: Cause | None
    """What is at fault: the request; the credential, so another may work; the target, which has
    only one; or an outage of the target, which the breaker counts."""
    client_status: int | None = None
    """The status that the client gets if this was the last attempt; None: unchanged."""
    retry: bool = True
    """Whether the client should retry."""


ANY: tuple[Credential, ...] = ("pool", "provider", "client")
REFUSED = ("refused", "spent")

# The first match applies. A 401 or 403 for a credential of ours must not reach the client, which
# would refresh or discard its own; a provider's 404 would make it switch models. Claude Code asks once
# for a 424, and shows it as it is, where it calls every 500 temporary.
RULES = (
    # There was no answer.
    Rule({failures.Kind.CONNECT, failures.Kind.ABSENT}, ANY, "next", "outage", client_status=502),
    Rule({failures.Kind.BARRED}, ANY, "next", "outage", client_status=502, retry=False),
    Rule({failures.Kind.RESET}, ANY, "next", "outage", client_status=502),
    Rule({failures.Kind.TIMEOUT}, ANY, "next", "outage", client_status=504),
    Rule({failures.Kind.CROWDED}, ANY, "next", "target", client_status=503),
    Rule({failures.Kind.LOCAL}, ANY, "next", "target", client_status=500, retry=False),
    Rule(range(200, 300), ANY, "good", None),
    Rule({"page"}, ANY, "next", "outage", client_status=502),
    # The credential is not accepted, or its account has nothing left: see `_seen` for "refused". The
    # pool has other tokens; a provider has one key; the client's own credential is its own matter.
    Rule({401, 403, *REFUSED}, {"pool"}, "next", "credential", client_status=424, retry=False),
    Rule({401, 403, *REFUSED}, {"provider"}, "next", "target", client_status=424, retry=False),
    # Claude Code goes on without fast mode, with the same token.
    Rule({"fast"}, ANY, "back", "request"),
    Rule({429}, {"pool"}, "next", "credential"),
    Rule({401, 402, 403}, {"client"}, "back", "credential"),
    Rule({429}, {"provider", "client"}, "next", "target"),
    # The request is at fault, so the answer would be the same elsewhere. 408, 413 and "uncounted"
    # stand before the other 4xx because they are exceptions to them.
    Rule({408}, ANY, "next", "target", client_status=504),
    Rule({"uncounted"}, ANY, "back", "request", client_status=404),
    Rule({413}, ANY, "back", "request"),
    Rule(range(400, 500), ANY, "back", "request", client_status=400),
    Rule({508}, ANY, "next", "target", retry=False),  # it came back to us: see access.loops
    Rule(range(500, 600), ANY, "next", "outage"),
    # We follow no redirect: it could lead the credential to another host. It comes from something on
    # the way, or from a base_url that is not the API.
    Rule(range(300, 400), ANY, "next", "target", client_status=502, retry=False),
    # Statuses that no answer should have. With this rule, one always matches.
    Rule(range(1000), ANY, "next", "target", client_status=502),
)


class Verdict(NamedTuple):
    decision: Decision
    cause: Cause | None


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def judge(outcome: Outcome) -> Verdict:
    rule = _rule(outcome)
    decision, cause = rule.decision, rule.cause
    if outcome.kind is failures.Kind.EVENT:
        # The upstream had accepted the request, so an error of any type may be the target's.
        decision = "next"
    if cause == "outage" and outcome.count_tokens and outcome.kind.is_answer:
        # A provider that can't count tokens may still answer messages.
        cause = "target"
    return Verdict(decision, cause)


def is_of_the_network(outcome: Outcome) -> bool:
    """Whether something on the way answered, rather than the provider: another credential wouldn't
    help."""
    seen = _seen(outcome)
    return seen == "page" or (isinstance(seen, int) and 300 <= seen < 400)


def final(
    outcomes: Sequence[Outcome],
    *,
    now: float,
    wait: float | None = None,
    secrets: Collection[str] = (),
) -> Answer | None:
    """What the client gets after these failures; None: the last response, unchanged.

    `wait` is the seconds until a token of the pool is available, None without a pool. `now` is in
    Unix seconds. `secrets` are removed from texts that a provider may echo.
    """
    if not outcomes:
        return _no_attempt(now, wait)
    last = _decisive(outcomes)
    is_last, rule = last is outcomes[-1], _rule(last)
    is_its_own = last.kind is failures.Kind.STATUS and not is_of_the_network(last)
    if is_last and last.anthropic and is_its_own:
        # Claude Code knows best what to do with Anthropic's own answer.
        is_only = len(outcomes) == 1 and rule.retry
        # But not what it says about limits of the pool: they aren't the client's.
        is_at_limit = last.credential == "pool" and last.status == 429 and bool(wait)
        if rule.decision == "back" or (
            is_only and not is_at_limit and not _sooner(last, now, wait)
        ):
            return None
    status = rule.client_status or last.error_status
    # The words of a refusal would make Claude Code change a request that isn't wrong.
    text = error_body.clean(last.fault.message, secrets) if is_last or last.overflows else ""
    is_refused = last.credential != "client" and rule.client_status == 424
    is_about_request = (
        last.kind in (failures.Kind.STATUS, failures.Kind.EVENT)
        and last.error_status in (400, 413, 422)
        and rule.cause == "request"
    )
    if last.credential != "client" and CLAUDE_CODES_WORDS.search(text):
        text = ""
    if is_about_request and text:
        # Claude Code parses these texts, some of them literally, to correct its request.
        message = text
    else:
        message = _tried(outcomes, text, secrets)
    if is_refused:
        message += f". {_refused(last)}"
    seconds = quota.retry_after(last.headers, now)
    longest: float = MAX_RETRY_AFTER
    if wait and any(o.credential == "pool" and o.error_status == 429 for o in outcomes):
        message += f". {_due(now, wait)}"
        seconds = wait
        if last.credential == "pool":
            longest = quota.LONGEST
    headers = {"content-type": "application/json"}
    if not (rule.retry and last.retry):
        headers["x-should-retry"] = "false"
    elif seconds and (status == 429 or status >= 500):
        headers["retry-after"] = str(min(math.ceil(seconds), int(longest)))
    return Answer(status, headers, envelope.body(envelope.kind(status), message))


def _decisive(outcomes: Sequence[Outcome]) -> Outcome:
    """The failure that the client is answered about: the last one.

    But where a fallback refuses the request, or waits for its user, it is the last failure before it that the
    client can retry. The request may be wrong only for the fallback, and the model that was asked for may be
    back. If that one waits for its user, they are told so rather than how the fallback refused. And where a
    conversation was too long for the model that was asked for, it still is: the client compacts it.
    """
    last = outcomes[-1]
    for outcome in outcomes[:-1]:
        if outcome.overflows and not outcome.anthropic and _rule(outcome).cause == "request":
            return outcome
    is_refusal = _rule(last).cause == "request" and _seen(last) != "uncounted"
    if is_refusal or last.kind.awaits_user:
        earlier = [outcome for outcome in reversed(outcomes) if outcome.target != last.target]
        retryable = [outcome for outcome in earlier if _is_retryable(outcome)]
        waiting = [outcome for outcome in earlier if is_refusal and outcome.kind.awaits_user]
        return [*retryable, *waiting, last][0]
    return last


def _is_retryable(outcome: Outcome) -> bool:
    """Whether Claude Code sends the request again if it gets this failure."""
    rule = _rule(outcome)
    status = rule.client_status or outcome.error_status
    return rule.retry and outcome.retry and (status == 429 or status >= 500)


def _rule(outcome: Outcome) -> Rule:
    seen = _seen(outcome)
    return next(r for r in RULES if seen in r.seen and outcome.credential in r.credentials)


def _seen(outcome: Outcome) -> int | str:
    if not outcome.kind.is_answer:
        return outcome.kind
    status = outcome.error_status
    if outcome.count_tokens and status in (404, 405):
        return "uncounted"
    if outcome.kind is failures.Kind.STATUS and status in PAGE_STATUSES and _is_page(outcome):
        return "page"
    if outcome.credential != "client":
        # "This organization has been disabled", "Your credit balance is too low"
        if accounts.spent(status, outcome.account_fault):
            return "spent"
        if status == 400 and accounts.refusal(status, outcome.account_fault):
            return "refused"
    if status == 429 and outcome.anthropic and outcome.is_fast:
        if not quota.effects(
            429, outcome.headers, outcome.account_fault, now=0, cooldown=0, is_fast=True
        ):
            return "fast"
    return min(max(status, 0), 999)


def _is_page(outcome: Outcome) -> bool:
    """Whether the answer is a web page, such as a firewall's or a challenge for browsers."""
    return "html" in outcome.headers.get("content-type", "").lower()


def _sooner(last: Outcome, now: float, wait: float | None) -> bool:
    """Whether another token becomes available clearly before the limit in the last answer
    resets."""
    if last.credential != "pool" or last.status != 429 or wait is None:
        return False
    # A second more, because headers give whole seconds.
    limits = quota.effects(429, last.headers, last.fault, now=now, cooldown=0)
    return any(isinstance(e, quota.Rest) and wait + 1 < e.until - now for e in limits)


def _tried(outcomes: Sequence[Outcome], text: str, secrets: Collection[str]) -> str:
    """`anthropic/claude-opus-5-5 (token 2): 429; zai/glm-5: 503, No capacity`."""
    parts = []
    for outcome in outcomes:
        name = f" {outcome.token_name}" if outcome.token_name else ""
        token = f" (token {outcome.token}{name})" if outcome.token else ""
        why = error_body.clean(outcome.why, secrets)
        parts.append(f"{error_body.clean(outcome.target, secrets)}{token}: {why}")
    return "; ".join(parts) + (f", {text}" if text else "")


def _refused(outcome: Outcome) -> str:
    """Whose credential was refused, in words that Claude Code shows as they are."""
    provider = outcome.target.partition("/")[0]
    which = f"token {outcome.token}" if outcome.token else "key"
    if _seen(outcome) == "spent":
        return (
            f"At {provider}, nothing is left on the account of this proxy's {which}: whoever runs the proxy "
            "has to top it up, or wait"
        )
    return (
        f"{provider} refuses this proxy's {which}: whoever runs the proxy has to replace it. Nothing is "
        "wrong with yours"
    )


def _due(now: float, wait: float) -> str:
    moment = datetime.fromtimestamp(now + wait, UTC).isoformat(timespec="seconds")
    return (
        f"All Claude tokens are resting; the first is available in {math.ceil(wait)} s, at {moment}"
    )


def _no_attempt(now: float, wait: float | None) -> Answer:
    """Nothing could be tried: every pool token is resting or disabled."""
    headers = {"content-type": "application/json"}
    if wait is None:
        headers["x-should-retry"] = "false"
        disabled = (
            "All Claude tokens of this proxy are disabled: whoever runs it has to replace them"
        )
        return Answer(424, headers, envelope.body(envelope.kind(424), disabled))
    headers["retry-after"] = str(math.ceil(wait))
    return Answer(429, headers, envelope.body("rate_limit_error", _due(now, wait)))
