"""Looks up only once which addons have a hook, and calls hooks of HTTP streams without a task.

Replaces: `trigger_event`, `register` and `remove` of the running `AddonManager`.
Why: for each event mitmproxy looks for the hook in each of some fifty addons, though few have it;
that is a quarter of the cost of a small request. It also makes a task for each hook, and passes its
completion through all layers; that is a tenth. The behaviour is unchanged: the order, `AddonHalt`, and
that a hook which waits has a task of its own. But an exception in one addon no longer keeps the others of
the same group from being called: all scripts are one group, and one that fails must not switch off ours.
Remove when: mitmproxy keeps such a table itself.
Upstream: none that we know of.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Generator
from typing import Any

from mitmproxy import addonmanager
from mitmproxy import ctx
from mitmproxy import exceptions
from mitmproxy import flow
from mitmproxy import hooks
from mitmproxy.addons import asgiapp
from mitmproxy.addons import onboarding

type Calls = Generator[Awaitable[Any]]
"""Calls hooks, and yields what has to be awaited before the next one."""


class HookTable:
    """Replaces the manager's own lookup until `remove` is called."""

    def __init__(self, manager: addonmanager.AddonManager) -> None:
        self.manager = manager
        self._hooks: dict[str, list[Callable[..., Any]]] = {}
        self._begun = weakref.WeakKeyDictionary[hooks.Hook, tuple[Awaitable[Any] | None, Calls]]()
        """What `run` could not bring to its end."""
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
                self._hooks.clear()

        return changed

    async def trigger_event(self, event: hooks.Hook) -> None:
        begun = self._begun.pop(event) if event in self._begun else self._begin(event)
        waiting, calls = begun
        while waiting is not None:
            try:
                await waiting
            except Exception as e:
                try:
                    waiting = calls.throw(e)
                except StopIteration:
                    return
            else:
                waiting = next(calls, None)

    def run(self, event: hooks.Hook, message: flow.Flow) -> bool:
        """Do all that mitmproxy does for a hook about this flow, and return True, unless something has
        to be waited for: then `trigger_event` goes on where this has stopped."""
        begun = self._begin(event)
        if begun[0] is None and not message.intercepted:
            begun = self._begin(hooks.UpdateHook([message]))
            if begun[0] is None:
                return True
        self._begun[event] = begun
        return False

    def hooks_for(self, event: hooks.Hook) -> list[Callable[..., Any]]:
        found = self._hooks.get(event.name)
        if found is None:
            found = self._hooks[event.name] = self._look_up(event)
        return found

    def _begin(self, event: hooks.Hook) -> tuple[Awaitable[Any] | None, Calls]:
        calls = _calls(self.hooks_for(event), event.args())
        return next(calls, None), calls

    def _look_up(self, event: hooks.Hook) -> list[Callable[..., Any]]:
        return [
            _without_task(one, hook)
            for addon in self.manager.chain
            for one, hook in self.manager._iter_hooks(addon, event)
        ]


def _without_task(addon: Any, hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, which is called only where it has something to do if it is that of mitm.it: it is the only
    one of mitmproxy's that is a coroutine for every request."""
    if getattr(hook, "__func__", None) not in (
        asgiapp.ASGIApp.request,
        onboarding.Onboarding.request,
    ):
        return hook
    return lambda flow: hook(flow) if addon.should_serve(flow) else None


def _calls(found: list[Callable[..., Any]], args: list[Any]) -> Calls:
    for hook in found:
        try:
            result = hook(*args)
            if result is not None and inspect.isawaitable(result):
                yield result
        except exceptions.AddonHalt:
            return
        except Exception:
            with addonmanager.safecall():
                raise


def run(event: hooks.Hook, message: flow.Flow) -> bool:
    """As `HookTable.run`, where the running manager has a table; else False."""
    table = _of(getattr(ctx, "master", None))
    return table is not None and table.run(event, message)


def has(master: Any, event: hooks.Hook) -> bool:
    """Whether any addon has a hook for an event; True if there is no table that says so."""
    table = _of(master)
    return table is None or bool(table.hooks_for(event))


def _of(master: Any) -> HookTable | None:
    trigger = vars(master.addons).get("trigger_event") if master else None
    table = getattr(trigger, "__self__", None)
    return table if isinstance(table, HookTable) else None
