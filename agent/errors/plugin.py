"""A plugin broke its contract: only its modules stop."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from agent.errors.problem import AgentError

DISABLED = "It is disabled, everything else goes on."
LIST = "chainwright plugins"


class PluginError(AgentError):
    """What a plugin did that the contract does not allow."""

    code = "plugin"


class LoadError(PluginError):
    """A plugin, or one class of it, can't be used. `origin` is its distribution and version, or its file."""

    code = "plugin.load"

    def __init__(
        self, plugin: str, origin: str, cause: str, *, fix: str, effect: str = DISABLED, detail: str = ""
    ) -> None:
        where = f'plugin "{plugin}" ({origin})'
        super().__init__(cause, where=where, fix=f"{fix}, then: {LIST}", effect=effect, detail=detail)


class ImportFailed(LoadError):
    """The import raised."""

    code = "plugin.import_failed"

    def __init__(self, plugin: str, origin: str, error: BaseException) -> None:
        super().__init__(
            plugin,
            origin,
            f"Its import failed: {reason_of(error)}.",
            fix="Install what it lacks, or update it",
            detail=place_of(error),
        )


class RegistrationFailed(LoadError):
    """A ``register_...`` hook raised, or pluggy refused the plugin."""

    code = "plugin.registration_failed"

    def __init__(self, plugin: str, origin: str, hook: str, error: BaseException) -> None:
        super().__init__(
            plugin,
            origin,
            f"Its {hook} failed: {reason_of(error)}.",
            fix="Correct or update it",
            detail=place_of(error),
        )


class CommandsFailed(LoadError):
    """``register_commands`` raised."""

    code = "plugin.commands_failed"

    def __init__(self, plugin: str, origin: str, error: BaseException) -> None:
        super().__init__(
            plugin,
            origin,
            f"Its register_commands failed: {reason_of(error)}.",
            fix="Correct or update it",
            effect="Its commands are missing, its modules go on.",
            detail=place_of(error),
        )


class UnknownHook(LoadError):
    """Something is marked as an answer to a hook that does not exist."""

    code = "plugin.unknown_hook"

    def __init__(self, plugin: str, origin: str, hook: str, close: str | None) -> None:
        hint = f'; did you mean "{close}"?' if close else "."
        super().__init__(plugin, origin, f'There is no hook "{hook}"{hint}', fix="Correct its name in the plugin")


class UnknownArgument(LoadError):
    """A hook is answered with an argument that it does not have."""

    code = "plugin.unknown_argument"

    def __init__(self, plugin: str, origin: str, hook: str, argument: str, allowed: Sequence[str]) -> None:
        known = f"it has {', '.join(allowed)}" if allowed else "it has none"
        super().__init__(
            plugin, origin, f'The hook {hook} has no argument "{argument}": {known}.', fix="Correct it in the plugin"
        )


class HookMisplaced(LoadError):
    """A hook is answered where it is never asked."""

    code = "plugin.hook_misplaced"

    def __init__(self, plugin: str, origin: str, hook: str, place: str, cure: str) -> None:
        super().__init__(plugin, origin, f"The hook {hook} is never asked of {place}.", fix=cure)


class HookUndecorated(LoadError):
    """A hook's method is overridden without the decorator: it would never be asked."""

    code = "plugin.hook_undecorated"

    def __init__(self, plugin: str, origin: str, owner: str, hook: str, method: str) -> None:
        super().__init__(
            plugin,
            origin,
            f"{owner}.{hook} overrides a hook without @hookimpl, so it would never be asked.",
            fix=f'Rename it to "{method}"',
        )


class NotAContribution(LoadError):
    """A ``register_...`` hook returned something else than classes of the right kind."""

    code = "plugin.not_a_contribution"

    def __init__(self, plugin: str, origin: str, hook: str, returned: str, expected: str) -> None:
        super().__init__(
            plugin,
            origin,
            f"Its {hook} returned {returned}, not a list of subclasses of {expected}.",
            fix="Correct or update it",
        )


class Incomplete(LoadError):
    """A contributed class lacks what the core needs of it."""

    code = "plugin.incomplete"

    def __init__(self, plugin: str, origin: str, kind: str, owner: str, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(
            plugin,
            origin,
            f"The {kind} {owner} is incomplete: {'; '.join(reasons)}.",
            fix="Complete it",
        )


class DuplicateName(LoadError):
    """Two plugins use the same name: the first keeps it."""

    code = "plugin.duplicate"

    def __init__(self, plugin: str, origin: str, kind: str, name: str, other: str) -> None:
        super().__init__(
            plugin,
            origin,
            f'The {kind} "{name}" is already registered by {other}.',
            fix="Remove one of the two",
        )


class ServiceUnknown(LoadError):
    """A module names a service that no loaded plugin registers."""

    code = "plugin.unknown_service"

    def __init__(self, plugin: str, origin: str, module: str, service: str, known: Sequence[str]) -> None:
        names = ", ".join(known) or "none"
        super().__init__(
            plugin,
            origin,
            f'The module "{module}" uses the service "{service}", which no loaded plugin registers; registered: {names}.',
            fix='Name the plugin that registers it in plugins = ["NAME"]',
        )


class DropInRefused(PluginError):
    """A drop-in file, or the directory of them, could have been written by someone else than root."""

    code = "plugin.drop_in_refused"

    def __init__(self, path: str, reason: str, cure: str) -> None:
        super().__init__(
            f"The drop-in plugin is not loaded: {reason}.",
            where=path,
            effect=DISABLED,
            fix=f"Look at its content, then: {cure}",
        )


class ModuleMissing(PluginError):
    """A module that may belong to a plugin that is broken."""

    code = "plugin.module_missing"

    def __init__(self, module: str, plugin: str, broken: Sequence[str]) -> None:
        super().__init__(
            f'No working plugin registers the module "{plugin}"; broken: {", ".join(broken)}.',
            where=module,
            effect="It is disabled, everything else goes on.",
            fix=f"See what is broken: {LIST}",
        )


class ModuleRaised(PluginError):
    """A module raised when it was asked."""

    code = "plugin.module_raised"

    def __init__(self, module: str, hook: str, error: BaseException) -> None:
        super().__init__(
            f"The plugin failed in {hook}: {reason_of(error)}.",
            where=module,
            effect="What this module serves stays, the others go on.",
            fix=f"Correct its settings, or update the plugin; {LIST} names its distribution.",
            detail=place_of(error),
        )


class DeclarationRefused(PluginError):
    """A module answered with something that the hook does not allow."""

    code = "plugin.declaration_refused"

    def __init__(self, module: str, hook: str, reason: str) -> None:
        super().__init__(
            f"The plugin's answer to {hook} can't be used: {reason}.",
            where=module,
            effect="What this module serves stays, the others go on.",
            fix=f"Update the plugin; {LIST} names its distribution.",
        )


class ObserverRaised(PluginError):
    """An observer of events raised; the others were told."""

    code = "plugin.observer_raised"

    def __init__(self, observer: str, kind: str, error: BaseException) -> None:
        self.observer = observer
        super().__init__(
            f'It failed on the event "{kind}": {reason_of(error)}.',
            where=observer,
            effect="The agent goes on.",
            fix=f"Correct or update it; {LIST} names its distribution.",
            detail=place_of(error),
        )


def reason_of(error: BaseException) -> str:
    """Return the kind of `error` and its first line, without the values that pydantic would quote."""
    if isinstance(error, SystemExit):
        return "it wanted to end the process (SystemExit)"
    kind = type(error).__name__
    text = _of_pydantic(error) or str(error).strip().partition("\n")[0].rstrip(".:")
    return f"{kind}: {text}" if text else kind


def _of_pydantic(error: BaseException) -> str:
    from pydantic import PydanticUserError, ValidationError

    if isinstance(error, ValidationError):
        rows = error.errors(include_url=False, include_input=False, include_context=False)
        return ", ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in rows)
    return error.message.partition(". ")[0] if isinstance(error, PydanticUserError) else ""


def place_of(error: BaseException) -> str:
    """Return the last line of the traceback: where in the plugin it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f'File "{last.filename}", line {last.lineno}, in {last.name}: {last.line or ""}'.rstrip(": ")
