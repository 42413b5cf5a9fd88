"""One client's request until it is answered: makes the attempts and handles their outcomes."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Sequence

from mitmproxy import http

from claude_route import responses
from claude_route import targets
from claude_route.access import account_headers
from claude_route.access import admissions
from claude_route.access import identity
from claude_route.access import paths
from claude_route.access import redaction
from claude_route.dialects import echo
from claude_route.dialects import error_body
from claude_route.dialects import overflow
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import safeguards
from claude_route.dialects.messages import server_tools
from claude_route.proxy import allowance
from claude_route.proxy import attempt
from claude_route.proxy import candidates
from claude_route.proxy import checks
from claude_route.proxy import contract
from claude_route.proxy import grants
from claude_route.proxy import learning
from claude_route.proxy import outcomes
from claude_route.proxy import sender
from claude_route.proxy import sharing
from claude_route.proxy import state
from claude_route.proxy import unanswerable
from claude_route.proxy import work
from claude_route.routing import failures
from claude_route.routing import fitness
from claude_route.routing import lessons
from claude_route.routing import plan
from claude_route.routing import repeats
from claude_route.routing import threads
from claude_route.routing import verdict
from claude_route.wire import content_encoding
from claude_route.wire import http_message
from claude_route.wire import shape

FRESH = 0.1
"""Seconds for which a first attempt that was made in advance is good: targets may fail meanwhile."""


class Exchange:
    """Answers one request to the Messages API. Implements `contract.Exchange`.

    It decides, and reports to its observer. Observers write the log and the list of flows, and count
    for the status page.
    """

    def __init__(
        self,
        in_force: state.State,
        flow: http.HTTPFlow,
        admission: admissions.Admission,
        *,
        observer: contract.Observer,
        clock: Callable[[], float],
        is_check: bool = False,
    ) -> None:
        """`clock` returns Unix seconds. `is_check`: the request is our own, and asks the one model that
        is to check a call."""
        self.state = in_force
        self.flow = flow
        self.admission = admission
        self.is_check = is_check
        self.sender = sender.Sender(admission.client, flow.client_conn.peername)
        self.secrets = admission.secrets
        self.candidates = candidates.Candidates(in_force, admission, is_check=is_check)
        self.observer = observer
        self.clock = clock
        self.counts_tokens = http_message.path(flow.request) == paths.COUNT_TOKENS
        self.learning = learning.Learning(in_force, self.sender, counts_tokens=self.counts_tokens)
        self.outcomes: list[verdict.Outcome] = []
        self.repeats = 0
        self.refused: list[lessons.Lesson] = []
        """What the current target has refused of this request."""
        self.model = ""
        """The one that is asked for, once the request is read."""
        self.request: requests.Request
        self._asker: contract.Asker | None = None
        self._server_tools: tuple[str, ...] = ()
        """The request's tools, if it has no others than those of Anthropic's servers."""
        self.plan: plan.Plan
        self.thread: threads.Thread
        self.routed: contract.RoutedRequest
        """The request as observers see it."""
        self.has_begun = False
        self.attempt: attempt.Attempt
        self.current: contract.Try
        """The attempt as observers see it."""
        self.progress: contract.Reply
        self.is_committed = False
        self.is_asked = False
        """An attempt is under way, or its answer."""
        self.has_reply = False
        self.allowance: allowance.Allowance | None = None
        """Of a client with limits, unless it only counts tokens."""
        self._wanted: grants.Grant
        """The targets of the model that is asked for, while it is found out whether they may be."""

    @functools.cached_property
    def is_heavy(self) -> bool:
        request = self.flow.request
        return "content-encoding" in request.headers or shape.is_heavy(request.raw_content or b"")

    def begin(self) -> contract.Attempt | http.Response | None:
        return work.here(self.beginning())

    def beginning(self) -> work.Work[contract.Attempt | http.Response | None]:
        step = yield from self._beginning()
        if isinstance(step, http.Response) and not self.has_begun:
            self.observer.rejected(
                contract.Rejected(
                    self.flow,
                    self.sender.client,
                    step,
                    self.model,
                    self.counts_tokens,
                    identity.read(self.flow.request.headers.fields),
                )
            )
        return step

    def _beginning(self) -> work.Work[contract.Attempt | http.Response | None]:
        try:
            yield self._read
            able, rotates = self.candidates.find(self.request.model)
        except OverflowError as e:
            return responses.error(413, str(e))
        except ValueError as e:
            return responses.error(400, str(e))
        except LookupError as e:
            return responses.error(404, str(e.args[0]))
        except PermissionError as e:
            return responses.error(401, str(e))
        who = identity.read(self.flow.request.headers.fields)
        who = who._replace(session=who.session or self.request.session or "")
        self.thread = self._thread()
        self.routed = contract.RoutedRequest(
            self.flow,
            self.request.model,
            who.session,
            self.counts_tokens,
            self.sender.client,
            self._weigh,
            who,
            self._asker,
        )
        self.has_begun = True
        self.observer.began(self.routed)
        if self.sender.entry and not self.counts_tokens:
            self.allowance = allowance.Allowance(
                self.state.gate,
                self.sender.entry,
                self.request,
                self.state.profile.prices,
                self.clock,
            )
        question = self._question(able, rotates)
        if self.allowance or (question and self.state.sharing.is_due(question)):
            self._wanted = grants.Grant(able, rotates)
            return None
        return (yield from self._starting(able, rotates))

    async def admitted(self) -> contract.Attempt | http.Response:
        if self.allowance is None:
            return await self._start(*self._wanted)
        asking = grants.ask(
            self.allowance,
            self.candidates,
            self._wanted,
            must=self.is_check,
            is_heavy=self.is_heavy,
        )
        if self.is_heavy or self._question(self._wanted.able, self._wanted.rotates):
            return await self._granted(await asking)
        # The counters may have to ask elsewhere. What is to be sent is made meanwhile, and sent only then.
        asked = asyncio.Task(asking, loop=asyncio.get_running_loop(), eager_start=True)
        if asked.done():
            return await self._granted(asked.result())
        began = self.clock()
        try:
            step = work.here(self._first(*self._wanted))
        finally:
            grant = await asked
        if grant is self._wanted and self.clock() - began < FRESH:
            return self._go_on(step)
        return await self._granted(grant)

    async def _granted(
        self, grant: grants.Grant | http.Response
    ) -> contract.Attempt | http.Response:
        if isinstance(grant, http.Response):
            return self._go_on(grant)
        return await self._start(*grant)

    async def _start(
        self, able: list[targets.Target], rotates: bool, instead: str = ""
    ) -> contract.Attempt | http.Response:
        question = self._question(able, rotates)
        if question and self.state.sharing.is_due(question):
            await self.state.sharing.ask(question)
            self.thread = self._thread()
        starting = self._starting(able, rotates, instead)
        return await work.beside(starting) if self.is_heavy else work.here(starting)

    def _starting(
        self, able: list[targets.Target], rotates: bool, instead: str = ""
    ) -> work.Work[contract.Attempt | http.Response]:
        return self._go_on((yield from self._first(able, rotates, instead)))

    def _first(
        self, able: list[targets.Target], rotates: bool, instead: str = ""
    ) -> work.Work[attempt.Attempt | http.Response | None]:
        """The first attempt, with a plan for these targets, which nobody has heard of yet. `instead`: why
        another model was asked for than the one that the client wants."""
        tools = () if self.counts_tokens else self._server_tools
        if tools:
            able = self.candidates.able(able, tools)
        refusals = [""] * len(able)
        if any(fitness.has_limits(target) for target in able):
            refusals = yield lambda: [self._refusal(target) for target in able]
        fitting = [target for target, why in zip(able, refusals, strict=True) if not why]
        self.plan = plan.Plan(
            fitting,
            pool=self.state.pool if rotates and len(self.state.pool) else None,
            is_down=lambda target: self.state.breaker.is_open(str(target), self.sender.party),
            session=self._seat or None,
            max_attempts=self.state.profile.max_attempts,
            keeper=self.thread.keeper,
        )
        if instead:
            self.plan.passed_over.append(instead)
        if not able:
            return unanswerable.lacks_tools(tools, self.request.model)
        if not fitting:
            return responses.error(400, refusals[0])
        is_foreign = not fitting[0].provider.is_anthropic
        if is_foreign and self.request.thread and not self.counts_tokens:
            return unanswerable.keeps_no_threads(fitting[0])
        return (yield from self._next())

    def _weigh(self) -> int:
        """As the client's limits have it, so that the ledger tells them the same after a restart."""
        return self.allowance.weigh() if self.allowance else requests.tokens(len(self.request.body))

    def _thread(self) -> threads.Thread:
        return self.state.threads.thread(
            self.request.thread,
            self.request.previous_message_id,
            self.sender.name,
            self.clock(),
        )

    def _question(self, able: Sequence[targets.Target], rotates: bool) -> sharing.Question | None:
        """What others may know about this request: None if it needs no token of the pool."""
        if not rotates or not len(self.state.pool) or not able or able[0].provider.auth != "pool":
            return None
        return sharing.Question(
            self.state.pool,
            self._seat,
            able[0].model,
            self.state.threads,
            self.thread,
        )

    def _read(self) -> None:
        """All that takes long of what every request is asked, at once: to go to the thread and back takes as
        long as to read a megabyte.

        Raises:
            ValueError, OverflowError: it can't be read.
        """
        self.request = read(self.flow.request)
        self.model = self.request.model
        if self.sender.entry and not self.request.names_one_model:
            raise ValueError("body: expected each field once, got one twice")
        self._server_tools = server_tools.alone(self.request.tools)
        if self.is_check:
            self._asker = "proxy"
        elif safeguards.is_check(self.request):
            self._asker = "client"

    @property
    def _seat(self) -> str:
        return self.sender.seat(self.routed.identity, self.state.profile.pool.spread)

    def _refusal(self, target: targets.Target) -> str:
        """Why a target that the profile knows can't take the request isn't even asked; empty if it is."""
        return "" if self.counts_tokens else fitness.refusal(self.request, target)

    def _next(
        self, *, upstream_failed: bool = False
    ) -> work.Work[attempt.Attempt | http.Response | None]:
        """The next attempt, or an answer that needs none; None if no attempt is left."""
        step = self.plan.next(upstream_failed=upstream_failed)
        if step is None:
            return None
        provider = step.target.provider
        if not self.thread.continues_at(step, self.plan.targets[0]):
            return unanswerable.lacks_thread(step.target)
        try:
            if self.counts_tokens and (
                provider.count_tokens == "estimate" or not registry.of(provider).counts_tokens
            ):
                tokens = yield functools.partial(requests.estimate, self.request)
                return responses.json({"input_tokens": tokens})
            self.refused = []
            settings = self._settings
            if self.is_heavy and self.state.lessons.has_any(step.target):
                decoded = yield settings
                settings = lambda: decoded  # noqa: E731
            left_out = self.state.lessons.left_out(step.target, settings)
            return (yield from self._attempt(step, left_out))
        except ValueError as e:
            if self.outcomes:
                # Only this fallback can't be asked, so it must not hide how the others failed.
                return (yield from self._next())
            return responses.error(400, str(e))

    def _settings(self) -> bytes:
        return requests.settings(self.request)

    def _attempt(
        self, step: plan.Step, left_out: tuple[str, ...], without: str = ""
    ) -> work.Work[attempt.Attempt]:
        """Raises:
        ValueError: no such request can be sent.
        """
        self.attempt = yield functools.partial(
            attempt.Attempt,
            step,
            self.flow.request,
            self.request,
            self.secrets,
            asked=self.plan.targets[0],
            left_out=left_out,
            redact=self._redaction.text,
        )
        self.current = contract.Try(
            number=len(self.outcomes) + 1,
            target=str(step.target),
            token=step.token.label if step.token else "",
            request=self.attempt.shown,
            rewritten=self.attempt.rewritten,
            dropped=self.attempt.call.dropped,
            started=self.clock(),
            without=without,
            passed_over=tuple(self.plan.passed_over),
            place=step.token.place if step.token else None,
        )
        return self.attempt

    def _go_on(
        self,
        step: attempt.Attempt | http.Response | None,
        failed: http.Response | None = None,
    ) -> contract.Attempt | http.Response:
        """Report the next step and return it. Without one, the client gets an error: the `failed`
        response, or what the verdict makes of all outcomes."""
        if isinstance(step, attempt.Attempt):
            self.is_asked, self.has_reply = True, False
            self.observer.tries(self.routed, self.current)
            return step
        if step is None:
            step = self._final(failed)
            self.observer.refused(self.routed, self.current if self.outcomes else None)
        elif step.status_code >= 400:
            self.observer.refused(self.routed, None)
        self.observer.answered(self.routed, step)
        return step

    def reply(self, response: http.Response) -> contract.Reply:
        self.learning.began(self.attempt.step, response)
        self.progress = reply = self.attempt.reply(response)
        self.has_reply = True
        return reply

    def failed(self, failure: contract.Failure) -> contract.Attempt | http.Response:
        return work.here(self.failing(failure))

    def failing(self, failure: contract.Failure) -> work.Work[contract.Attempt | http.Response]:
        self.is_asked = False
        failure = self._redacted(failure)
        target = self.attempt.step.target
        outcome = outcomes.outcome(
            failure,
            self.attempt,
            self.request,
            counts_tokens=self.counts_tokens,
            has_answered=self.state.breaker.has_answered(str(target)),
            own_words=self._own_words,
            most_tokens=functools.partial(self._most_tokens, target),
        )
        self.outcomes.append(outcome)
        ruling = verdict.judge(outcome)
        effects = self.learning.failed(self.attempt.step, outcome, ruling)
        current, at = self.current, self.clock()
        then: attempt.Attempt | http.Response | None = None
        if repeat := (yield from self._repeat(failure, outcome)):
            then = repeat
        elif ruling.cause == "request" and outcome.overflows and not outcome.anthropic:
            # Only a fallback that is known to have room is worth asking. Without one, the client compacts.
            this, size = self.attempt.step.target, overflow.size(outcome.fault.message) or 0
            self.plan.keep(lambda other: fitness.takes_more(other, self.request, this, size))
            then = yield from self._next()
        elif ruling.decision == "next":
            is_unreached = failure.kind.is_silence or verdict.is_of_the_network(outcome)
            then = yield from self._next(upstream_failed=is_unreached)
        following = self.current if isinstance(then, attempt.Attempt) else then
        self.observer.failed(
            self.routed,
            contract.FailedAttempt(current, failure, outcome, ruling.cause, effects, at, following),
        )
        return self._go_on(then, failure.response)

    def _repeat(
        self, failure: contract.Failure, outcome: verdict.Outcome
    ) -> work.Work[attempt.Attempt | None]:
        """The same attempt without what the target refuses, if the request can go without it.

        Anthropic's own refusals are Claude Code's to handle.
        """
        response, last = failure.response, self.attempt
        if (
            response is None
            or outcome.error_status not in (400, 422)
            or last.provider.is_anthropic
            or self.counts_tokens
            or self.repeats == repeats.MAX
        ):
            return None
        step, body = last.step, response.content or b""
        refused = yield functools.partial(
            repeats.omissions, body, self.request, step.target, last.left_out, last.call.body
        )
        if not refused:
            return None
        self.repeats += 1
        message, own = error_body.read(body).message, self._own_words()
        if not (yield functools.partial(echo.may_name, message, own)):
            self.refused += refused
        names = [lesson.name for lesson in refused]
        left_out = (*last.left_out, *names)
        return (yield from self._attempt(step, left_out, " and ".join(names)))

    def _redacted(self, failure: contract.Failure) -> contract.Failure:
        if failure.response:
            self._redaction.error(failure.response)
        detail = self._redaction.text(failure.detail.encode("utf-8", "replace"))
        return dataclasses.replace(failure, detail=detail.decode())

    def _own_words(self) -> list[bytes]:
        """Where the client can have put words that an error repeats."""
        headers = (value for _, value in self.flow.request.headers.fields)
        return [self.request.body, self.flow.request.data.path, *headers]

    def _most_tokens(self, target: targets.Target, tokens: int) -> int | None:
        """Of a conversation with a target: what the profile says, or what it has refused and taken so far.
        This one has about so many `tokens`."""
        return target.abilities.context or self.state.sizes.limit(
            str(target), self.routed.session, len(self.request.body), tokens, self.sender.party
        )

    def _final(self, response: http.Response | None = None) -> http.Response:
        """What the client gets if no attempt succeeded; `response` is that of the last one."""
        model = targets.unprefixed(self.request.model)
        answer = verdict.final(
            [*self._skipped(), *self.outcomes],
            now=self.clock(),
            wait=self.state.pool.wait(model) if self.plan.pool else None,
            secrets=self._redaction.secrets,
        )
        if answer:
            response = http.Response.make(answer.status, answer.body, answer.headers)
        assert response
        if not answer:
            response = self._without_account(response.copy())
        if self.outcomes:
            self._sign(response)
        return response

    def _skipped(self) -> list[verdict.Outcome]:
        """A failure of the model that was asked for, if it was skipped because its upstream keeps failing,
        and a fallback has refused the request: the model may be back soon."""
        target = self.plan.targets[0]
        name = str(target)
        if (
            not self.outcomes
            or verdict.judge(self.outcomes[-1]).cause != "request"
            or any(outcome.target == name for outcome in self.outcomes)
            or not self.state.breaker.is_open(name, self.sender.party)
        ):
            return []
        skipped = verdict.Outcome(
            target=name,
            credential="provider",
            anthropic=target.provider.is_anthropic,
            kind=failures.Kind.CONNECT,
            detail="skipped, because it keeps failing",
        )
        return [skipped]

    @functools.cached_property
    def _redaction(self) -> redaction.Redaction:
        """Removes the secrets that an upstream might echo."""
        tokens = (token.secret for token in self.state.pool.tokens)
        keys = (provider.api_key or "" for provider in self.state.profile.providers.values())
        client_secrets = (value.decode("utf-8", "replace") for value in self.secrets.values())
        return redaction.Redaction(
            [*tokens, *keys], [value.rpartition(" ")[2] for value in client_secrets]
        )

    @property
    def wants_stream(self) -> bool:
        return self.has_begun and self.request.stream and not self.counts_tokens

    def opened(self) -> None:
        self.observer.opened(self.routed)

    def committed(self, response: http.Response) -> None:
        self._redaction.headers(response)
        self._without_account(response)
        if self.allowance:
            self.allowance.show(response)
        self._sign(response)
        learnt = self.learning.succeeded(
            self.attempt.step,
            self.refused,
            session=self.routed.session,
            size=len(self.request.body),
            asked=self.current.started,
        )
        self.is_committed = True
        self.observer.committed(self.routed, self.current, self.progress)
        self._keep_thread()
        if learnt.lessons:
            self.observer.learned(self.routed, self.current, learnt.lessons)
        if learnt.is_awake:
            self.observer.woke(self.routed, self.current)

    def _keep_thread(self) -> None:
        token = self.attempt.step.token
        if token and self.thread.kind:
            self.thread.keep(self.progress.message_id, token, self.clock())

    def _without_account(self, response: http.Response) -> http.Response:
        """Remove what an answer says about our own account, which isn't the client's."""
        if self.attempt.credential != "client":
            response.headers.fields = account_headers.without(response.headers.fields)
        return response

    def checks(self, calls: Sequence[safeguards.Call]) -> list[contract.Check] | None:
        context = safeguards.context(self.request)
        names = self.state.profile.classifiers
        model = next((name for name in names if self.candidates.has(name, itself=True)), None)
        if model is None or context is None:
            return self._unchecked(calls)
        return checks.prepare(calls, model, self.request, context, self.flow, self._asking)

    def _unchecked(self, calls: Sequence[safeguards.Call]) -> list[contract.Check] | None:
        """The client checks the calls itself. If it has nobody to ask either, it would try for each call
        and say that there was no usable answer. So none may run, for a reason that it shows."""
        by: contract.Asker | None = "client" if self.candidates.has(safeguards.OWN_MODEL) else None
        if calls:
            self.observer.unchecked(self.routed, self.current, by)
        if by:
            return None
        return [contract.Check(call, verdict=safeguards.NOBODY) for call in calls]

    def _asking(self, flow: http.HTTPFlow) -> Exchange:
        """Answers the request of a check."""
        return Exchange(
            self.state,
            flow,
            self.admission,
            observer=self.observer,
            clock=self.clock,
            is_check=True,
        )

    def _sign(self, response: http.Response) -> None:
        """Tell the client which target answered."""
        response.headers["x-route-target"] = self.current.target
        response.headers["x-route-attempts"] = str(self.current.number)

    def interrupted(self, why: str) -> None:
        self.observer.interrupted(self.routed, self.current, why)

    def closed(self, why: str | None) -> None:
        if self.allowance:
            # An attempt that the client has left costs its prompt at least.
            target = self.attempt.step.target if self.is_asked else None
            self.allowance.settle(target, self.progress if self.has_reply else None)
        if self.is_committed:
            # Its time begins when the answer is complete, which may be long after it has begun.
            self._keep_thread()
        if self.has_begun:
            usage = self.progress.usage if self.is_asked and self.has_reply else None
            self.observer.closed(self.routed, usage, why)


def read(request: http.Request) -> requests.Request:
    """Raises:
    ValueError: it can't be read.
    OverflowError: it is too large.
    """
    return requests.read(client_body(request))


def client_body(request: http.Request) -> bytes:
    """The body as the client meant it.

    Raises:
        ValueError: it is not valid in the encoding that its header names.
        OverflowError: it is too large.
    """
    body, encoding = request.raw_content or b"", request.headers.get("content-encoding")
    return content_encoding.whole(body, encoding, responses.MAX_BODY) if encoding else body
