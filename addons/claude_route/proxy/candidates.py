"""Which targets may answer a request, before any is asked."""

from __future__ import annotations

from collections.abc import Sequence

from claude_route import targets
from claude_route.access import admissions
from claude_route.access import clients
from claude_route.proxy import state

LONGEST = 1000
"""Characters of a model's name. It is kept in many places; the longest are Bedrock's, of some 200."""


class Candidates:
    """Finds the targets for one client's requests."""

    def __init__(
        self, in_force: state.State, admission: admissions.Admission, *, is_check: bool
    ) -> None:
        """`is_check`: the request is our own, and asks the one model that is to check a call."""
        self.state = in_force
        self.login = admission.login
        self.rotates = admission.rotates
        # A request that was addressed to Anthropic goes there if the profile doesn't know its model.
        self.to_anthropic = not admission.is_reverse
        self.is_check = is_check
        self.client = admission.client

    def may_ask(self, model: str) -> bool:
        return self.client is None or self.client.may_ask(model)

    def find(self, model: str, *, is_granted: bool = False) -> tuple[list[targets.Target], bool]:
        """The targets for a model, and whether pool tokens may be used. `is_granted`: the profile has named
        the model for the client, which need not have it among its own.

        Raises:
            LookupError: the profile doesn't know the model, or the client may not ask for it.
            PermissionError: only the client's own credential would do, and it has none.
            ValueError: its provider lacks a key.
        """
        if not model.isprintable():
            # It appears in headers and in the log.
            raise ValueError("model: expected a name of printable characters")
        if len(model) > LONGEST:
            raise ValueError(f"model: expected a name of at most {LONGEST} characters")
        profile = self.state.profile
        if not (is_granted or self.is_check or self.may_ask(model)):
            # On the forward listener too, where an unknown model is otherwise Anthropic's to know.
            raise self._unknown(model)
        target = profile.target(model)
        why = profile.left_out.find(model)
        if why and (target is None or model in profile.left_out):
            raise ValueError(f"model: {model!r} was left out of the LiteLLM config: {why[0]}")
        if target is None:
            anthropic = profile.providers.get("anthropic")
            if not self.to_anthropic or anthropic is None:
                raise self._unknown(model)
            # The client didn't mean to use this proxy's tokens.
            unknown = [targets.Target(anthropic, targets.bare(targets.unprefixed(model)))]
            return self._usable(unknown, "the profile doesn't have it"), False
        if target.provider.missing:
            missing = " and ".join(target.provider.missing)
            raise ValueError(
                f"model: {model!r} goes to {target.provider.name}, which can't be used until the "
                f"environment variable {missing} is set"
            )
        candidates = [target]
        if not self.is_check:  # a fallback could be asked about its own calls
            candidates += profile.fallback_targets(model, self.may_ask)
        own = "" if len(self.state.pool) else "the proxy has no tokens"
        if not self.rotates:
            own = "the token mode is passthrough"
        return self._usable(candidates, own), self.rotates

    def has(self, model: str, *, itself: bool = False) -> bool:
        """Whether the client can ask for a model through this proxy. `itself`: none of its fallbacks, and though
        it isn't among its own."""
        try:
            (first, *_), _ = self.find(model, is_granted=itself)
        except (LookupError, PermissionError, ValueError):
            return False
        return not itself or first == self.state.profile.target(model)

    def _unknown(self, model: str) -> LookupError:
        entry = clients.entry(self.client)
        names = entry.models if entry and entry.models else self.state.profile.models
        return LookupError(
            f"model: {model!r} is not in this proxy's profile, which has: {', '.join(names)}"
        )

    def _usable(self, candidates: list[targets.Target], why: str) -> list[targets.Target]:
        """The targets without those that want a credential of the client's own, if it has none. `why` says
        why no token of the pool can be used; empty if one can.

        Raises:
            PermissionError: none is left.
        """
        if self.login == "own":
            return candidates
        usable = [
            candidate
            for candidate in candidates
            if candidate.provider.credential(rotates=not why) != "client"
        ]
        if usable:
            return usable
        # Other gateways do accept what is no credential at Anthropic's.
        if self.login == "text" and candidates[0].provider.host != "api.anthropic.com":
            return candidates
        raise PermissionError(
            f"{candidates[0]} is asked with the login of each client{why and ', because '}{why}, and this "
            "client has none. Log in and, if this proxy requires its key, set ANTHROPIC_CUSTOM_HEADERS to "
            '"x-litellm-api-key: KEY", beside which a login stays in use'
        )

    def able(self, candidates: list[targets.Target], tools: Sequence[str]) -> list[targets.Target]:
        """The targets that have the server tools that the request is about, which are `tools`.

        What other models made up would come back as the tool's result. So the models of `server_tools` in
        the profile take their place.
        """
        able = [target for target in candidates if target.provider.is_anthropic]
        named = self.state.profile.server_tool_targets(tools, self.may_ask)
        is_able = candidates[0].provider.is_anthropic
        return list(dict.fromkeys([*able, *named] if is_able else [*named, *able]))
