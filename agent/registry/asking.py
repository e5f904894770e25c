"""Asking one declaration at a time, through the policies that wrap its hook, with the error of whose plugin fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from agent.contract.context import Context, ServiceContext
from agent.contract.declaration import Declaration
from agent.contract.module import Module
from agent.contract.placeholders import IN_COMMANDS, filled, misspelt, texts_in
from agent.contract.service import Service
from agent.errors.plugin import STAYS, DeclarationRefused, ModuleRaised, PluginError, PolicyRaised, PolicyRefused
from agent.registry.answers import WrongAnswer
from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.hook_manager import OWN_ANSWERS, HookManager, OwnAnswers, Wrong, checked_answer, refused
from agent.registry.life_hooks import LIFE, subject_of
from agent.registry.missing_policies import MissingPolicy
from agent.registry.places import place_of_answer, place_of_code
from agent.registry.window_askers import WindowAsker, window_askers

T = TypeVar("T")
Caller = Callable[..., Any]


class Asking:
    """Enabled modules, services and the plugins that wrap their hooks, in a plugin manager of their own."""

    def __init__(
        self,
        modules: Mapping[str, Module],
        plugins: Mapping[str, object],
        services: Mapping[str, Service],
        guard: Guard,
        missing: Sequence[MissingPolicy] = (),
    ) -> None:
        self._guard = guard
        self._declarations: list[Declaration] = [*modules.values(), *services.values()]
        self._manager = HookManager()
        self._callers: dict[tuple[str, Declaration], Caller] = {}
        self._wrapping: dict[str, tuple[str, ...]] = {}
        for name, plugin in plugins.items():
            self._manager.register(plugin, f"plugin {name}")
        for name, module in modules.items():
            module.named(name)
            self._manager.register(module, name)
        for name, service in services.items():
            self._manager.register(service, f"service {name}")
        self._manager.register(OwnAnswers(), OWN_ANSWERS)
        present = self.policies() if missing else {}
        lost = [each._replace(hooks=_without(each.hooks, present.get(each.plugin, ()))) for each in missing]
        self.missing = [each for each in lost if each.hooks]
        """Policies that can't be used, with the hooks that nobody wraps in their place."""

    def ask(self, hook: str, asked: Declaration, **arguments: object) -> Any:
        """Ask one declaration, and check what comes back through the policies. Raises `PolicyMissing` where one can't be used."""
        for each in self.missing:
            if hook in each.hooks:
                raise each.refusal(subject_of(asked))
        caller, others = self._caller(hook, asked), self._policies(hook)
        answer = self.guarded(
            hook,
            asked,
            lambda: checked_answer(asked, hook, caller(asked=asked, **arguments)),
            others,
            (DeclarationRefused,),
        )
        if isinstance(answer, Wrong):  # not the declaration's own answer, which is checked before policies see it
            policy = self._changing(hook, asked, others, arguments)
            raise PolicyRefused(subject_of(asked), hook, answer.reason, policy, self._place_of_wrapper(hook, policy))
        return _filled(asked, hook, answer, arguments.get("context"))

    def window_askers(self) -> list[WindowAsker]:
        """Return the plugins that open a firewall as long as a CA looks."""
        return window_askers(self._manager, self._guard)

    def guarded(
        self,
        hook: str,
        asked: Declaration,
        work: Callable[[], T],
        others: tuple[str, ...] = (),
        contract: tuple[type[BaseException], ...] = (),
        most: float | None = None,
    ) -> T:
        """Have `work` done that runs code of a declaration's plugin, and of `others`; what fails is an error of its own."""
        plugin, subject = self._guard.plugin_of(type(asked)), subject_of(asked)
        try:
            return self._guard.call(Asked(plugin, hook, subject, STAYS, others), work, contract=contract, most=most)
        except PluginFailed as failed:
            place = failed.place or place_of_answer(type(asked), hook, failed.error)
            if isinstance(failed.error, WrongAnswer):
                raise DeclarationRefused(subject, hook, str(failed.error), place) from failed.error
            if failed.plugin != plugin and failed.plugin in others:
                raise PolicyRaised(subject, hook, failed.error, failed.plugin, place) from failed.error
            raise ModuleRaised(subject, hook, failed.error, place) from failed.error

    def _policies(self, hook: str) -> tuple[str, ...]:
        """Return the plugins that wrap a hook, the innermost first."""
        if hook not in self._wrapping:
            found = [
                each for each in getattr(self._manager.hook, hook).get_hookimpls() if each.wrapper or each.hookwrapper
            ]
            self._wrapping[hook] = tuple(_plugin(each.plugin_name) for each in found if each.plugin_name != OWN_ANSWERS)
        return self._wrapping[hook]

    def policies(self) -> dict[str, list[str]]:
        """Return the plugins that wrap hooks, each with these hooks."""
        found: dict[str, list[str]] = {}
        for hook in LIFE:
            for plugin in self._policies(hook):
                found.setdefault(plugin, []).append(hook)
        return found

    def _place_of_wrapper(self, hook: str, policy: str) -> str:
        """Return where a plugin wraps a hook; empty: that is in no one place."""
        wrapping = [each for each in getattr(self._manager.hook, hook).get_hookimpls() if each.wrapper]
        found = [each for each in wrapping if _plugin(each.plugin_name) == policy]
        return place_of_code(found[0].function) if len(found) == 1 else ""

    def _changing(
        self, hook: str, asked: Declaration, policies: tuple[str, ...], arguments: Mapping[str, object]
    ) -> str:
        """Return the policy that makes a right answer a wrong one: the first that does it alone, else all of them."""
        left_out = [each for each in self._declarations if each is not asked]
        wrapping = {
            _plugin(name): plugin for name, plugin in self._manager.list_name_plugin() if _plugin(name) in policies
        }
        for policy in policies if policies[1:] else ():
            others = [plugin for name, plugin in wrapping.items() if name != policy]
            caller = self._manager.subset_hook_caller(hook, [*left_out, *others])
            with suppress(PluginError):
                alone = self.guarded(hook, asked, lambda: checked_answer(asked, hook, caller(asked=asked, **arguments)))  # noqa: B023 - at once
                if isinstance(alone, Wrong):
                    return policy
        return ", ".join(policies)

    def _caller(self, hook: str, asked: Declaration) -> Caller:
        """Return the hook without the other modules and services; plugins that wrap it stay."""
        key = (hook, asked)
        if key not in self._callers:
            others = [each for each in self._declarations if each is not asked]
            self._callers[key] = self._manager.subset_hook_caller(hook, others)
        return self._callers[key]


def _without(hooks: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for each in hooks if each not in others)


def _plugin(registered: str) -> str:
    """Return the name of a plugin as it was registered: ``plugin NAME``, with a table of its own ``plugin plugins.NAME``."""
    return registered.removeprefix("plugin ").removeprefix("plugins.")


def _filled(asked: Declaration, hook: str, answer: object, context: object) -> object:
    """Return an answer with placeholders filled in, but those of files, which rendering fills in. Raises `DeclarationRefused`."""
    if not isinstance(context, Context | ServiceContext):
        return answer
    for reason in misspelt(texts_in(answer), IN_COMMANDS):
        raise refused(asked, hook, reason)
    return filled(answer, context)
