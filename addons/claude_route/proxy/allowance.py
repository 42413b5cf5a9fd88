"""What the limits of its client allow one request, from the question whether it may go to the settlement."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

from mitmproxy import http

from claude_route import targets
from claude_route.dialects.messages import requests
from claude_route.pricing import prices
from claude_route.profile import clients
from claude_route.proxy import contract
from claude_route.proxy import gate
from claude_route.proxy import refusals
from claude_route.proxy import spending
from claude_route.routing import budgets

INSTEAD_HEADER = "x-route-on-budget"
"""Names the model that answers because the budget is spent."""


class Allowance:
    def __init__(
        self,
        gates: gate.Gate,
        client: clients.Client,
        request: requests.Request,
        listed: prices.Prices,
        clock: Callable[[], float],
    ) -> None:
        """`clock` returns Unix seconds."""
        self._gate = gates
        self._client = client
        self._request = request
        self._prices = listed
        self._clock = clock
        self._decision: budgets.Decision | None = None
        self._reserved: budgets.Amount | None = None
        self._is_over = False
        self._prompt: int | None = None
        self.instead: str | None = None
        """The model that is asked because the budget is spent."""

    def weigh(self) -> int:
        """How many tokens the prompt has. Takes long only the first time."""
        if self._prompt is None:
            self._prompt = spending.prompt_tokens(self._request)
        return self._prompt

    async def ask(
        self, candidates: Sequence[targets.Target], *, must: bool
    ) -> http.Response | None:
        """Reserve what an answer of one of these targets may use; the response is a refusal. `must`: it is
        part of what was admitted before."""
        limits, most = self._client.limits, budgets.NOTHING
        if limits.are_of_use:
            most = spending.most(self._request, self.weigh(), candidates, self._prices)
        decision = self._decision = await self._gate.admit(self._client, most, must=must)
        if decision.refusal is None:
            self._reserved = most
            if self._is_over:
                self.settle(None, None)
            return None
        return refusals.response(
            self._client.name, decision, limits.requests_per_minute, self._clock()
        )

    async def ask_instead(self, candidates: Sequence[targets.Target]) -> None:
        """Reserve what an answer of the model for when the budget is spent may use, which nothing limits."""
        spent = self._decision
        await self.ask(candidates, must=True)
        self._decision, self.instead = spent, self._client.on_budget

    @property
    def other(self) -> str | None:
        """The model that may answer in place of a refusal; None if none may."""
        decision = self._decision
        if decision is None or decision.refusal not in ("use", "busy"):
            return None
        standing = decision.standing
        # Another model's tokens are tokens too.
        return self._client.on_budget if standing and standing.unit == "dollars" else None

    @property
    def why(self) -> str:
        """Why another model is asked, for the list of flows and the log."""
        decision = self._decision
        words = refusals.words(decision.standing) if decision and decision.standing else "a limit"
        if decision and decision.refusal == "busy":
            return f"{self._client.name} may use up {words} with what is under way"
        return f"{self._client.name} has used up {words}"

    def show(self, response: http.Response) -> None:
        """Tell the client how it stands with its limits, in place of what the upstream says about others."""
        if standing := self._decision and self._decision.standing:
            # At once: for each header that is set by its name, mitmproxy goes through all of them.
            response.headers.fields = refusals.in_place(response.headers.fields, standing)
        if self.instead:
            response.headers[INSTEAD_HEADER] = self.instead

    def settle(self, target: targets.Target | None, progress: contract.Progress | None) -> None:
        """The request is over. `target` is what its client pays for; None: for nothing. `progress` is the
        target's answer, if it has begun."""
        self._is_over = True
        reserved, self._reserved = self._reserved, None
        if reserved is None:
            return
        used = budgets.NOTHING
        if target:
            reported = progress.usage if progress else None
            tokens = spending.used(self.weigh, reported, progress)
            used = spending.amount(tokens, self._request.model, target, self._prices)
        self._gate.settle(self._client, reserved, used)
