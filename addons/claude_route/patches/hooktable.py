"""Looks up only once which addons have a hook.

Replaces: `trigger_event`, `register` and `remove` of the running `AddonManager`.
Why: for each event mitmproxy looks for the hook in each of some fifty addons, though few have it;
that is a quarter of the cost of a small request. The behaviour is unchanged: the order, what an
exception in an addon stops, and `AddonHalt`.
Remove when: mitmproxy keeps such a table itself.
Upstream: none that we know of.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import exceptions
from mitmproxy import hooks

type Group = list[Callable[..., Any]]
"""The hooks of an addon and of the addons inside it. If one raises, the rest of them are skipped."""


class HookTable:
    """Replaces the manager's own lookup until `remove` is called."""

    def __init__(self, manager: addonmanager.AddonManager) -> None:
        self.manager = manager
        self._groups: dict[str, list[Group]] = {}
        manager.trigger_event = self.trigger_event  # type: ignore[method-assign]
        manager.register = self._forgetting(manager.register)  # type: ignore[method-assign]
        manager.remove = self._forgetting(manager.remove)  # type: ignore[method-assign]

    def remove(self) -> None:
        for name in ("trigger_event", "register", "remove"):
            vars(self.manager).pop(name, None)

    def _forgetting(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any) -> Any:
            try:
                return change(*args)
            finally:
                self._groups.clear()

        return changed

    async def trigger_event(self, event: hooks.Hook) -> None:
        groups = self._groups.get(event.name)
        if groups is None:
            groups = self._groups[event.name] = self._look_up(event)
        args = event.args()
        for group in groups:
            try:
                for hook in group:
                    result = hook(*args)
                    if result is not None and inspect.isawaitable(result):
                        await result
            except exceptions.AddonHalt:
                return
            except Exception:
                with addonmanager.safecall():
                    raise

    def _look_up(self, event: hooks.Hook) -> list[Group]:
        groups = []
        for addon in self.manager.chain:
            group = [hook for _, hook in self.manager._iter_hooks(addon, event)]
            if group:
                groups.append(group)
        return groups
