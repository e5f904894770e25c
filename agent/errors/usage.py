"""A command was asked for something that does not exist. Exit code 2."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from agent.errors.base import AgentError

SHOWN = 8
"""Ids that are listed."""


def close(word: str, known: Collection[str]) -> str:
    """Return the question that ends a sentence: whether one of `known` was meant; empty when none is close."""
    return _one_of(closest(word, known))


def closest(word: str, known: Collection[str]) -> list[str]:
    """Return the one of `known` that is closest to a word, if any is close."""
    import difflib

    return difflib.get_close_matches(word, list(known), 1)


def _one_of(found: Sequence[str]) -> str:
    """Return the question which of some names was meant; empty where there are none."""
    names = [f'"{each}"' for each in found[:SHOWN]]
    if not names:
        return ""
    return f" Did you mean {' or '.join([', '.join(names[:-1]), names[-1]] if names[1:] else names)}?"


class _Asked(Protocol):
    name: str
    known: Collection[str]


def _question(error: _Asked) -> str:
    return close(error.name, error.known)


class UsageError(AgentError):
    """The command line can't be followed as it is; nothing was done."""

    code = "usage"


class CommandLineWrong(UsageError):
    """An option or argument is missing, unknown or of the wrong kind. `reason` is click's sentence."""

    code = "usage.command_line"
    cause = "{reason:sentence}"
    fix = "See: {command} --help"
    reason: str
    command: str


class UnknownCommand(UsageError):
    """There is no such command."""

    code = "usage.unknown_command"
    cause = "There is no command {name:quoted}.{question}"
    fix = "See: {command} --help"
    name: str
    known: Collection[str]
    command: str = "chainwright"
    question = property(_question)


class UnknownModule(UsageError):
    """The settings name no such module."""

    code = "usage.unknown_module"
    cause = "There is no module {name:quoted} in the settings.{question}"
    fix = "{known:sorted 8 ?Modules: % or Name one in the settings: [modules.{name}]}"
    name: str
    known: Collection[str]
    question = property(_question)


class UnknownCa(UsageError):
    """No [[acme]] table is called so."""

    code = "usage.unknown_ca"
    cause = "There is no CA {name:quoted} in the settings.{question}"
    fix = "CAs: {known:sorted 8}"
    name: str
    known: Collection[str]
    question = property(_question)


class UnknownWindow(UsageError):
    """No challenge window with such an id stays open."""

    code = "usage.unknown_window"
    cause = "There is no challenge window {name:quoted} that stays open.{question}"
    fix = "See: chainwright status"
    name: str
    known: Collection[str]
    question = property(_question)


class WhichCa(UsageError):
    """What is asked for is done at one CA alone, and there are several."""

    code = "usage.which_ca"
    cause = "This is done at one CA, and the settings name several: {known:few}."
    fix = "Say which one, for example: --ca {known[0]}"
    known: Sequence[str]


class UnknownSlot(UsageError):
    """The module has no such slot."""

    code = "usage.unknown_slot"
    cause = "{module} has no slot {name:quoted}.{question}"
    fix = "{known:sorted 8 ?Slots: % or It asks for no chain at all: chainwright explain {module}}"
    module: str
    name: str
    known: Collection[str]
    question = property(_question)


class ModuleUnusable(UsageError):
    """The module is there, but can't be asked."""

    code = "usage.module_unusable"
    cause = "{name} can't be asked: {reason}."
    where = "[modules.{name}]"
    fix = "See: chainwright plugins"
    name: str
    reason: str


class UnknownChain(UsageError):
    """No chain has this name, or an id that begins so."""

    code = "usage.unknown_chain"
    cause = "There is no chain for {name:quoted}, and none whose id begins so.{question}"
    fix = "See all names: chainwright status --all"
    name: str
    known: Collection[str]
    question = property(_question)


class AmbiguousId(UsageError):
    """The ids of several chains begin so."""

    code = "usage.ambiguous_id"
    cause = "The ids of {found:count} chains begin with {start:quoted}."
    fix = "Write more of it: {ids}"
    start: str
    found: Collection[str]

    @property
    def ids(self) -> list[str]:
        """Ids that begin so, long enough to tell them apart."""
        return [each[:16] for each in sorted(self.found)[:SHOWN]]


class UnknownFile(UsageError):
    """The module writes no such file."""

    code = "usage.unknown_file"
    cause = "{module} has no file {name:quoted}.{question}"
    fix = "{known:sorted 8 ?Files: % or See: chainwright render {module}}"
    module: str
    name: str
    known: Collection[str]
    question = property(_question)


class UnknownPlugin(UsageError):
    """No such plugin is installed."""

    code = "usage.unknown_plugin"
    cause = "There is no plugin {name:quoted}.{question}"
    fix = "See all: chainwright plugins"
    name: str
    known: Collection[str]
    question = property(_question)


class UnknownTemplate(UsageError):
    """No plugin has such a template."""

    code = "usage.unknown_template"
    cause = "There is no template {name:quoted}.{question}"
    fix = "See all: chainwright templates list"
    name: str
    known: Collection[str]

    @property
    def question(self) -> str:
        """End of the sentence: whether another one was meant.

        The name of its file alone, or that of the module or service, is often enough to tell.
        """
        directory, _, file = self.name.partition("/")
        of_file = sorted(each for each in self.known if each.partition("/")[2] in {self.name, f"{self.name}.j2"})
        return _one_of(of_file) or close(self.name, self.known) or self._in_directory(directory, file)

    def _in_directory(self, directory: str, file: str) -> str:
        """Return the question which one of a module or service was meant, whose name may be misspelt or not a whole one."""
        files: dict[str, list[str]] = {}
        for each in sorted(self.known):
            files.setdefault(each.partition("/")[0], []).append(each.partition("/")[2])
        begun = sorted(each for each in files if each.startswith(directory)) if directory else []
        found = [directory] if directory in files else [*closest(directory, files), *begun]
        if not found:
            return ""
        fitting = closest(file, files[found[0]]) if file else []
        return _one_of([f"{found[0]}/{each}" for each in (fitting or files[found[0]])])


class TemplateNotOverridden(UsageError):
    """A template is to be compared or kept, and it is the built-in one."""

    code = "usage.template_not_overridden"
    cause = "{name} isn't overridden: the built-in one is used."
    fix = "Copy it, to change it: chainwright templates copy {name}"
    name: str


class TemplateOverridesNothing(UsageError):
    """A template is to be compared with the built-in one, or copied from there, and there is none."""

    code = "usage.template_overrides_nothing"
    cause = "There is no built-in template {name:quoted}: yours overrides nothing."
    fix = "See all: chainwright templates list"
    name: str


class TemplateOverridden(UsageError):
    """A template is to be copied to where the administrator has one already."""

    code = "usage.template_overridden"
    cause = "It overrides {name} already; nothing was changed."
    fix = "See what differs: chainwright templates diff {name}; to begin again, and lose it, add --force"
    where: str
    name: str


class PluginNameRefused(UsageError):
    """A new plugin can't have this name."""

    code = "usage.plugin_name"
    cause = "A new plugin can't be named {name:quoted}: {reason}."
    fix = "Choose another name, for example: chainwright plugins new tunnel"
    name: str
    reason: str


class ProjectExists(UsageError):
    """A new project would be written over something else."""

    code = "usage.project_exists"
    cause = "There is something at that place already; nothing was written."
    fix = "Choose another place: --directory DIR"
    where: str


class FileUnwritable(UsageError):
    """What was to be written to a file can't be."""

    code = "usage.file_unwritable"
    cause = "The file can't be written: {reason}."
    fix = "Choose another place: --out FILE"
    where: str
    reason: str


class TemplateUnwritable(FileUnwritable):
    """A template can't be copied to where it is overridden."""

    code = "usage.template_unwritable"
    fix = "Call it as root, and see whether there is room: df {where}"


class ProjectUnwritable(FileUnwritable):
    """A new project can't be written."""

    code = "usage.project_unwritable"
    cause = "The project can't be written: {reason}."
    fix = "Choose another place: --directory DIR"


class InputUnreadable(UsageError):
    """A file that is to be read can't be."""

    code = "usage.file_unreadable"
    cause = "The file can't be read: {reason}."
    fix = "Check its name and its mode."
    where: str
    reason: str


class PassphraseNeeded(UsageError):
    """A key is to leave the store without protection."""

    code = "usage.passphrase_needed"
    cause = "A PKCS#12 file with a key needs a passphrase."
    fix = "Write it to a file of mode 0600 and add --passphrase-file FILE."


class PasswordNeeded(UsageError):
    """There is no terminal on which a password could be typed."""

    code = "usage.password_needed"
    cause = "There is no terminal on which the new password of {user:quoted} could be typed."
    fix = "In scripts, give it on standard input and add --stdin."
    user: str


class ConfirmationFlagMissing(UsageError):
    """Something dangerous was not confirmed."""

    code = "usage.not_confirmed"
    cause = "This needs confirmation; nothing was changed."
    fix = "In scripts: {flag}"
    flag: str


class Unexpected(AgentError):
    """An error that nobody foresaw: a mistake of the program."""

    code = "unexpected"
    cause = "An unexpected error: {what}."
    fix = "Put --debug right after chainwright to see the traceback, and report it."
    error: BaseException

    @property
    def what(self) -> str:
        """Kind of the error and its words."""
        kind, text = type(self.error).__name__, " ".join(str(self.error).split()).rstrip(".")
        return f"{kind}: {text}" if text else kind
