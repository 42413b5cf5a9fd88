"""One client's request on its way to an answer: which attempts are made, and what comes of them."""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from typing import Any

from mitmproxy import http

from claude_route import responses
from claude_route.access import admissions
from claude_route.access import redaction
from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.dialects import errors
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.profile import profiles
from claude_route.proxy import attempt
from claude_route.proxy import contract
from claude_route.proxy import state
from claude_route.routing import failures
from claude_route.routing import plan
from claude_route.routing import quota
from claude_route.routing import stats
from claude_route.routing import verdict
from claude_route.watch import failed_attempts
from claude_route.watch import replies
from claude_route.watch import upstream_requests
from claude_route.watch.views import comments
from claude_route.wire import content_encoding
from claude_route.wire import http_message

logger = logging.getLogger(__name__)


class Exchange:
    """Answers one request to the Messages API. Implements `contract.Exchange`."""

    def __init__(
        self, in_force: state.State, flow: http.HTTPFlow, admission: admissions.Admission
    ) -> None:
        self.state = in_force
        self.flow = flow
        self.secrets = admission.secrets
        self.rotates = admission.rotates
        # A request that was meant for Anthropic goes there when the profile doesn't know its model.
        self.to_anthropic = not admission.is_reverse
        self.counts_tokens = http_message.path(flow.request) == attempt.COUNT_TOKENS
        self.outcomes: list[verdict.Outcome] = []
        self.request: requests.Request
        self.plan: plan.Plan
        self.attempt: attempt.Attempt
        self.tally: stats.Tally | None = None
        self.started = 0.0

    def begin(self) -> contract.Attempt | http.Response:
        try:
            self.request = requests.read(client_body(self.flow.request))
            targets = self._targets(self.request.model)
        except OverflowError as e:
            return responses.error(413, str(e))
        except ValueError as e:
            return responses.error(400, str(e))
        except LookupError as e:
            return responses.error(404, str(e.args[0]))
        session = self.flow.request.headers.get("x-claude-code-session-id")
        self.plan = plan.Plan(
            targets,
            pool=self.state.pool if self.rotates and len(self.state.pool) else None,
            is_down=lambda target: self.state.breaker.is_open(str(target)),
            session=session or self.request.session,
            max_attempts=self.state.profile.max_attempts,
        )
        self.tally = self.state.stats.request(self.request.model, counted=not self.counts_tokens)
        return self._next() or self._final()

    def _targets(self, model: str) -> list[profiles.Target]:
        """Raises:
        LookupError: nobody knows the model.
        ValueError: its provider lacks a key.
        """
        if not model.isprintable():
            # It would stand in headers and in the log.
            raise ValueError("model: expected a name of printable characters")
        profile = self.state.profile
        target = profile.target(model)
        if target is None:
            anthropic = profile.providers.get("anthropic")
            if not self.to_anthropic or anthropic is None:
                names = ", ".join(profile.models)
                raise LookupError(f"model: {model!r} is not one of this proxy's models: {names}")
            self.rotates = False
            return [profiles.Target(anthropic, model)]
        if target.provider.missing:
            missing = " and ".join(target.provider.missing)
            raise ValueError(
                f"model: {model!r} goes to {target.provider.name}, which can't be used until the "
                f"environment variable {missing} is set"
            )
        return [target, *profile.fallback_targets(model)]

    def _next(self, *, upstream_failed: bool = False) -> contract.Attempt | http.Response | None:
        """The next attempt, or an answer that takes none; None when there is no other."""
        step = self.plan.next(upstream_failed=upstream_failed)
        if step is None:
            return None
        provider = step.target.provider
        if not provider.is_anthropic and self.request.thread == "continue":
            # The conversation is not in the request: Claude Code sends all of it after this.
            self._count_refusal()
            return responses.error(
                404, "thread_not_found: this proxy keeps no threads", code="thread_not_found"
            )
        try:
            if self.counts_tokens and (
                provider.count_tokens == "estimate" or not registry.of(provider).counts_tokens
            ):
                return responses.json({"input_tokens": requests.estimate(self.request)})
            self.attempt = attempt.Attempt(
                step,
                self.flow.request,
                self.request,
                self.secrets,
                learn=self._learn,
                redact=self._redaction.text,
            )
        except ValueError as e:
            self._count_refusal()
            return responses.error(400, str(e))
        if self.attempt.call.dropped:
            left_out = ", ".join(self.attempt.call.dropped)
            logger.debug(f"{self.request.model}: {step.target} is not sent {left_out}")
        self.started = time.time()
        return self.attempt

    def failed(self, failure: contract.Failure) -> contract.Attempt | http.Response:
        if failure.response:
            self._redaction.error(failure.response)
        detail = self._redaction.text(failure.detail.encode("utf-8", "replace"))
        failure = dataclasses.replace(failure, detail=detail.decode())
        outcome = self._outcome(failure)
        self.outcomes.append(outcome)
        ruling = verdict.judge(outcome)
        effects = self._punish(outcome, ruling)
        failed, started, following = self.attempt, self.started, None
        if ruling.decision == "next":
            following = self._next(upstream_failed=failure.kind.is_silence)
        if self.tally:
            at_fault = ruling.cause != "request"
            self.tally.attempt_failed(outcome.target, outcome.why, is_at_fault=at_fault)
        why = ", ".join([outcome.why, *(effect.text(time.time()) for effect in effects)])
        who, then = name(failed.step), _name_of(following)
        if (
            following
            or effects
            or len(self.outcomes) > 1
            or failure.kind is not failures.Kind.STATUS
        ):
            arrow = f" → {then}" if then else ""
            logger.warning(f"{self.request.model}: {who} {why}{arrow}")
        if following or len(self.outcomes) > 1:
            comment = comments.attempt_failed(_in_short(who), why, _in_short(then))
            failed_attempts.failed_attempt(
                self.flow,
                failed.shown,
                failure,
                started=started,
                comment=comment,
                told=self._told(failed.step, len(self.outcomes)),
            )
        if following:
            return following
        if failure.response is None:
            return self._final()
        return self._final(failure.response)

    def _outcome(self, failure: contract.Failure) -> verdict.Outcome:
        step, response = self.attempt.step, failure.response
        status = response.status_code if response else 0
        body = (response.content or b"") if response else b""
        if response and not step.target.provider.is_anthropic and not self.counts_tokens:
            error = self.attempt.dialect.error(status, body)
            status, body = _in_anthropics_words(error, status, body)
        return verdict.Outcome(
            target=str(step.target),
            credential=self.attempt.credential,
            anthropic=step.target.provider.is_anthropic,
            kind=failure.kind,
            detail=failure.detail,
            status=status,
            headers=response.headers if response else {},
            body=body,
            token=step.token.place if step.token else None,
            count_tokens=self.counts_tokens,
        )

    def _learn(self, response: http.Response) -> None:
        """From every head that isn't a failure."""
        step = self.attempt.step
        if step.token and response.status_code < 400:
            self.state.pool.learn(
                step.token, response.status_code, response.headers, model=step.target.model
            )

    def _punish(
        self, outcome: verdict.Outcome, ruling: verdict.Verdict
    ) -> list[quota.Rest | quota.Disable]:
        step = self.attempt.step
        if ruling.cause == "outage":
            self.state.breaker.failed(outcome.target)
        if step.token is None or not outcome.kind.is_answer:
            return []
        return self.state.pool.learn(
            step.token,
            outcome.error_status,
            outcome.headers,
            outcome.fault,
            model=step.target.model,
            count_tokens=self.counts_tokens,
        )

    def _final(self, response: http.Response | None = None) -> http.Response:
        """What the client gets when no attempt was good; `response` is the last one's."""
        answer = verdict.final(
            self.outcomes,
            now=time.time(),
            wait=self.state.pool.wait(self.request.model) if self.plan.pool else None,
            secrets=self._redaction.secrets,
        )
        if answer:
            response = http.Response.make(answer.status, answer.body, answer.headers)
        assert response
        self._count_refusal()
        if self.outcomes:
            self._sign(response, len(self.outcomes))
        return response

    def _count_refusal(self) -> None:
        if self.tally:
            self.tally.refused()

    @functools.cached_property
    def _redaction(self) -> redaction.Redaction:
        """Of what an upstream might repeat."""
        tokens = (token.secret for token in self.state.pool.tokens)
        keys = (provider.api_key or "" for provider in self.state.profile.providers.values())
        brought = (value.decode("utf-8", "replace") for value in self.secrets.values())
        return redaction.Redaction(
            [*tokens, *keys], [value.rpartition(" ")[2] for value in brought]
        )

    def committed(self, response: http.Response) -> None:
        self._redaction.head(response)
        self._sign(response, len(self.outcomes) + 1)
        target = str(self.attempt.step.target)
        self.state.breaker.succeeded(target)
        if self.tally:
            self.tally.answered(target)
        if self.attempt.answer:
            replies.remember(self.flow, self.attempt.answer)
        if self.attempt.rewritten:
            upstream_requests.remember(self.flow, self.attempt.shown)

    def _sign(self, response: http.Response, attempts: int) -> None:
        """Tells the client, and people who look at the flow, who answered."""
        response.headers["x-route-target"] = str(self.attempt.step.target)
        response.headers["x-route-attempts"] = str(attempts)
        self.flow.metadata |= self._told(self.attempt.step, attempts)

    def _told(self, step: plan.Step, attempt: int) -> dict[str, Any]:
        """For a flow's metadata."""
        return {
            "route_model": self.request.model,
            "route_target": str(step.target),
            "route_attempts": attempt,
            "route_token": step.token.label if step.token else "",
            "route_session": self.plan.session or "",
        }

    def broke_off(self, why: str) -> None:
        logger.warning(
            f"{self.request.model}: {name(self.attempt.step)} broke off: {error_body.clean(why)}"
        )
        if self.tally:
            self.tally.broke_off(why)

    def closed(self, why: str | None) -> None:
        if self.tally is None:
            return
        used = self.flow.metadata
        if "route_tokens_in" in used:
            self.tally.used(
                used["route_tokens_in"],
                used["route_tokens_out"],
                cached=used.get("route_tokens_cached", 0),
            )
        self.tally.closed()


def _in_anthropics_words(error: errors.Error, status: int, body: bytes) -> tuple[int, bytes]:
    """The error of another provider. A key that is refused stays a 401, whatever the provider called
    it: that it is ours, not the client's, is for the verdict to say."""
    if error.refuses_key and status >= 400:
        return 401, body
    return (error.status if status >= 400 else status), envelope.body(error.kind, error.message)


def _in_short(name: str) -> str:
    """`anthropic (token 2 …wxyz)` -> `token 2 …wxyz`: only Anthropic has tokens."""
    return name.partition(" (")[2].removesuffix(")") or name


def _name_of(following: contract.Attempt | http.Response | None) -> str:
    if isinstance(following, attempt.Attempt):
        return name(following.step)
    return "answered here" if following else ""


def declared_size(request: http.Request) -> int:
    """The length that the headers announce; 0 where they announce none."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def client_body(request: http.Request) -> bytes:
    """The body as the client meant it.

    Raises:
        ValueError: it is not in the encoding that its header names.
        OverflowError: it is too large.
    """
    body, encoding = request.raw_content or b"", request.headers.get("content-encoding")
    return content_encoding.whole(body, encoding, responses.MAX_BODY) if encoding else body


def name(step: plan.Step) -> str:
    """For people: `anthropic (token 2 …wxyz)` or `zai/glm-5`."""
    if step.token:
        return f"{step.target.provider.name} ({step.token.label})"
    return str(step.target)
