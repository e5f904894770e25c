"""Plugin manager: which functions and methods answer a hook, and what a policy is given of the answer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple

import pluggy

from agent import hookspecs
from agent.contract.declaration import Declaration
from agent.contract.markers import hookimpl
from agent.contract.plugin_settings import PluginSettings
from agent.errors.plugin import DeclarationRefused
from agent.registry.answers import MOST_MEMBERS, WrongAnswer, exactly, members, one_of
from agent.registry.implementations import implementations
from agent.registry.life_hooks import LIFE, MOST_NEEDS, hooks_of, subject_of
from agent.registry.places import place_of_answer

OWN_ANSWERS = "own answers"
"""Name of the innermost wrapper."""
PLAIN: pluggy.HookimplOpts = {
    "wrapper": False,
    "hookwrapper": False,
    "optionalhook": False,
    "tryfirst": False,
    "trylast": False,
    "specname": None,
}
"""Options of a method that is called like the hook that it answers."""
ASKED_BY_CLASS = (Declaration, PluginSettings)
"""Instances of these answer hooks by the methods of their classes."""


class HookManager(pluggy.PluginManager):
    """Plugin manager that takes the methods of a module or service for answers to the hooks of their names.

    It looks for them in a class once, not in each instance (4 ms).
    """

    def __init__(self, only: str | None = None) -> None:
        """`only`: the one hook that is to be asked; nothing else is looked at."""
        super().__init__("chainwright")
        self.add_hookspecs(hookspecs)
        self._only = only
        self._marked: dict[object, dict[str, str]] = {}

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Return the options of a hook's implementation; None: it is none."""
        if self._only is None and not isinstance(plugin, ASKED_BY_CLASS):
            return super().parse_hookimpl_opts(plugin, name)
        hook = self._marks(plugin).get(name)
        if hook is not None:
            return super().parse_hookimpl_opts(plugin, name) if self._only in {None, hook} else None
        return PLAIN if self._only in {None, name} and name in hooks_of(type(plugin)) else None

    def answers(self, hook: str, plugin: object) -> bool:
        """Whether something in a plugin, or in the class of an instance, is marked as an answer to a hook."""
        return hook in self._marks(plugin).values()

    def _marks(self, plugin: object) -> dict[str, str]:
        """Return the attributes that are marked, each with its hook."""
        thing = type(plugin) if isinstance(plugin, ASKED_BY_CLASS) else plugin
        if thing not in self._marked:
            self._marked[thing] = {each.attribute: each.hook for each in implementations(thing)}
        return self._marked[thing]


class OwnAnswers:
    """Innermost wrapper of all hooks of a life: what a policy gets of a module or service is checked, and a list of its own."""

    def __init__(self) -> None:
        for hook in LIFE:
            setattr(self, hook, _own_answer(hook))


def _own_answer(hook: str) -> Callable[..., Generator[None, object, object]]:
    @hookimpl(wrapper=True, trylast=True, specname=hook)
    def own_answer(asked: Declaration) -> Generator[None, object, object]:
        answer = checked_answer(asked, hook, (yield))
        if isinstance(answer, Wrong):
            raise refused(asked, hook, answer.reason)
        return answer

    return own_answer


class Wrong(NamedTuple):
    """Answer that can't be used."""

    reason: str


def checked_answer(asked: Declaration, hook: str, answer: object) -> object:
    """Return an answer of the right type, or what is wrong with it."""
    allowed = LIFE[hook]
    try:
        if allowed.several:
            return members(answer, allowed.kinds, MOST_NEEDS if hook == "declare_needs" else MOST_MEMBERS)
        return one_of(answer, allowed.kinds) if allowed.optional else exactly(answer, allowed.kinds[0])
    except WrongAnswer as wrong:
        return Wrong(str(wrong))


def refused(asked: Declaration, hook: str, reason: str) -> DeclarationRefused:
    """Return why an answer of a declaration's own can't be used."""
    return DeclarationRefused(subject_of(asked), hook, reason, place_of_answer(type(asked), hook))
