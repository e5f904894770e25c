"""A plugin, or a part of it, can't be loaded: its import, its version, its hooks, what it registers."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors.plugin import DISABLED, LIST, UPDATE, PluginError
from agent.errors.wording import reason_of

COMMANDS_MISSING = "Its commands are missing, its modules go on."


class LoadError(PluginError):
    """A plugin, or one class of it, can't be used. `origin` is its distribution and version, or its file."""

    code = "plugin.load"
    where = 'plugin "{plugin}" ({found})'
    effect = DISABLED
    fix = UPDATE
    place = ""
    """File and line, where a class has a field for it."""
    plugin: str
    origin: str

    @property
    def found(self) -> str:
        """Where the plugin is from, with the line that this is about."""
        if not self.place:
            return self.origin
        return self.place if self.place.startswith(f"{self.origin}:") else f"{self.origin}, {self.place}"


class ImportFailed(LoadError):
    """The import raised."""

    code = "plugin.import_failed"
    cause = "Its import failed: {why:sentence}"
    fix = f"{{cure}}, then: {LIST}"
    detail = "{error:place}"
    error: BaseException
    place: str = ""
    """File and line."""
    hint: str = ""
    """What was meant, a clause or a question."""

    @property
    def why(self) -> str:
        """What was raised, and what was meant."""
        return "; ".join(each for each in (reason_of(self.error), self.hint) if each)

    @property
    def cure(self) -> str:
        """What mends it: somebody who administers an appliance can install what is missing, the rest is its author's."""
        match self.error:
            case SyntaxError(lineno=int(line)) if line > 0:
                return f"Correct line {line}, or update it"
            case ModuleNotFoundError():
                return "Install what it lacks, or update it"
            case ImportError():
                return "Correct that import, or update it"
            case _:
                return "Correct it, or tell its author"


class VersionRefused(LoadError):
    """A plugin is written for a version of the contract that this agent doesn't keep."""

    code = "plugin.version_refused"
    cause = "It is written for version {wanted} of the plugin contract, and this agent keeps version {kept}."
    fix = f"{{cure}}, then: {LIST}"
    wanted: str
    kept: str
    cure: str
    place: str = ""


class VersionMalformed(LoadError):
    """The ``api`` of a plugin is no version."""

    code = "plugin.version_malformed"
    cause = 'Its "api" is an object of type {kind}, and must be the version of the plugin contract: api = {kept}.'
    fix = f"Correct it in the plugin, then: {LIST}"
    kind: str
    kept: str
    place: str = ""


class RegistrationFailed(LoadError):
    """A ``register_...`` hook raised, or pluggy refused the plugin."""

    code = "plugin.registration_failed"
    cause = "Its {hook} failed: {error:reason}."
    detail = "{error:place}"
    hook: str
    error: BaseException
    place: str = ""
    """File and line."""


class CommandsFailed(LoadError):
    """``register_commands`` raised."""

    code = "plugin.commands_failed"
    cause = "Its register_commands failed: {error:reason}."
    effect = COMMANDS_MISSING
    detail = "{error:place}"
    error: BaseException
    place: str = ""
    """File and line."""


class UnknownHook(LoadError):
    """Something is marked as an answer to a hook that does not exist."""

    code = "plugin.unknown_hook"
    cause = 'There is no hook "{hook}"{hint}'
    fix = f"Correct its name in the plugin, then: {LIST}"
    hook: str
    close: str | None
    place: str = ""

    @property
    def hint(self) -> str:
        """End of the sentence: whether another one was meant."""
        return f'; did you mean "{self.close}"?' if self.close else "."


class UnknownArgument(LoadError):
    """A hook is answered with an argument that it does not have."""

    code = "plugin.unknown_argument"
    cause = 'The hook {hook} has no argument "{argument}": it has {allowed: or none}.'
    fix = f"Correct it in the plugin, then: {LIST}"
    hook: str
    argument: str
    allowed: Sequence[str]
    place: str = ""


class HookMisplaced(LoadError):
    """A hook is answered where it is never asked."""

    code = "plugin.hook_misplaced"
    cause = "The hook {hook} is never asked of {thing}."
    fix = f"{{cure}}, then: {LIST}"
    hook: str
    thing: str
    cure: str
    place: str = ""


class HookUnmarked(LoadError):
    """A function is called like a hook, and isn't marked: it would never be asked."""

    code = "plugin.hook_unmarked"
    cause = "The function {hook} is called like a hook and has no @hookimpl, so it would never be asked."
    fix = f"Write @hookimpl above it, or give it another name, then: {LIST}"
    hook: str
    place: str = ""


class HookAsync(LoadError):
    """A hook is answered by a coroutine."""

    code = "plugin.hook_async"
    cause = "The answer to the hook {hook} is async, and must be there at once."
    fix = f"Make it a plain function, then: {LIST}"
    hook: str
    place: str = ""


class WrapperWithoutYield(LoadError):
    """A wrapper of a hook is no generator: it has no place at which it gets the answer."""

    code = "plugin.wrapper_without_yield"
    cause = "The wrapper of the hook {hook} has no yield, which gives it the answer."
    fix = f"Write answer = yield in it, and return one like it, then: {LIST}"
    hook: str
    place: str = ""


class NothingRegistered(LoadError):
    """A module is to be of a plugin that registers nothing."""

    code = "plugin.nothing_registered"
    cause = 'It registers nothing, and the module "{module}" is to be of it.'
    fix = f"Return the class in its register_modules, then: {LIST}"
    module: str


class NotAContribution(LoadError):
    """A ``register_...`` hook returned something else than classes of the right kind."""

    code = "plugin.not_a_contribution"
    cause = "Its {hook} returned {returned}, not {kind} of {expected}."
    hook: str
    returned: str
    expected: str
    several: bool = True

    @property
    def kind(self) -> str:
        """What should have been returned."""
        return "a list of subclasses" if self.several else "a subclass"

    place: str = ""


class ContributionRefused(LoadError):
    """A contributed class lacks what the core needs of it, or has something that the core can't use."""

    code = "plugin.contribution_refused"
    cause = "The {kind} {owner} can't be used: {reasons:semicolons sentence}"
    fix = f"Correct it, then: {LIST}"
    kind: str
    owner: str
    reasons: Sequence[str]
    place: str = ""


class DuplicateName(LoadError):
    """Two plugins use the same name: the first keeps it."""

    code = "plugin.duplicate"
    cause = 'The {kind} "{name}" is already registered by {other}.'
    fix = f"Remove one of the two, then: {LIST}"
    kind: str
    name: str
    other: str


class ServiceUnknown(LoadError):
    """A module names a service that no loaded plugin registers."""

    code = "plugin.unknown_service"
    cause = (
        'The module "{module}" uses the service "{service}", which no loaded plugin registers; '
        "registered: {known: or none}."
    )
    fix = f"Enable the plugin that registers it by a table [plugins.NAME], then: {LIST}"
    module: str
    service: str
    known: Sequence[str]


class PackageRefused(PluginError):
    """A file of a plugin's package could have been written by someone else than root."""

    code = "plugin.package_refused"
    cause = 'The package of plugin "{plugin}" ({origin}) is not loaded: {reason}.'
    where = "{path}"
    effect = DISABLED
    fix = "Look at its content, then: {cure}"
    plugin: str
    origin: str
    path: str
    reason: str
    cure: str


class DropInRefused(PluginError):
    """A drop-in file, or the directory of them, could have been written by someone else than root."""

    code = "plugin.drop_in_refused"
    cause = "The drop-in plugin is not loaded: {reason}."
    where = "{path}"
    effect = DISABLED
    fix = "Look at its content, then: {cure}"
    path: str
    reason: str
    cure: str
