"""A command was asked for something that does not exist. Exit code 2."""

from __future__ import annotations

from collections.abc import Collection

from agent.errors.name import quoted
from agent.errors.problem import AgentError

SHOWN = 8
"""Known names that are listed."""


class UsageError(AgentError):
    """The command line can't be followed as it stands; nothing was done."""

    code = "usage"


class CommandLineWrong(UsageError):
    """An option or argument is missing, unknown or of the wrong kind. `reason` is click's sentence."""

    code = "usage.command_line"

    def __init__(self, reason: str, command: str) -> None:
        super().__init__(reason if reason.endswith(("?", ".")) else f"{reason}.", fix=f"See: {command} --help")


class UnknownCommand(UsageError):
    """There is no such command."""

    code = "usage.unknown_command"

    def __init__(self, name: str, known: Collection[str], command: str = "chainwright") -> None:
        super().__init__(f"There is no command {quoted(name)}.{close(name, known)}", fix=f"See: {command} --help")


class UnknownModule(UsageError):
    """The settings name no such module."""

    code = "usage.unknown_module"

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(
            f"There is no module {quoted(name)} in the settings.{close(name, known)}",
            fix=listed("Modules", known, f"Name one in the settings: [modules.{name}]"),
        )


class UnknownSlot(UsageError):
    """The module has no such slot."""

    code = "usage.unknown_slot"

    def __init__(self, module: str, slot: str, known: Collection[str]) -> None:
        super().__init__(
            f"{module} has no slot {quoted(slot)}.{close(slot, known)}",
            fix=listed("Slots", known, f"It asks for no chain at all: chainwright explain {module}"),
        )


class ModuleUnusable(UsageError):
    """The module is there, but can't be asked."""

    code = "usage.module_unusable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} can't be asked: {reason}.", where=f"[modules.{name}]", fix="See: chainwright plugins")


class UnknownChain(UsageError):
    """No chain has this name, or an id that begins so."""

    code = "usage.unknown_chain"

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(
            f"There is no chain for {quoted(name)}, and none whose id begins so.{close(name, known)}",
            fix="See all names: chainwright status",
        )


class AmbiguousId(UsageError):
    """The ids of several chains begin so."""

    code = "usage.ambiguous_id"

    def __init__(self, start: str, found: Collection[str]) -> None:
        ids = ", ".join(each[:16] for each in sorted(found)[:SHOWN])
        super().__init__(f"The ids of {len(found)} chains begin with {quoted(start)}.", fix=f"Write more of it: {ids}")


class UnknownFile(UsageError):
    """The module writes no such file."""

    code = "usage.unknown_file"

    def __init__(self, module: str, path: str, known: Collection[str]) -> None:
        super().__init__(
            f"{module} has no file {quoted(path)}.{close(path, known)}",
            fix=listed("Files", known, f"See: chainwright render {module}"),
        )


class FileUnwritable(UsageError):
    """What was to be written to a file can't be."""

    code = "usage.file_unwritable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"The file can't be written: {reason}.", where=path, fix="Choose another place: --out FILE")


class Unexpected(AgentError):
    """An error that nobody foresaw: a mistake of the program."""

    code = "unexpected"

    def __init__(self, error: BaseException) -> None:
        text = " ".join(str(error).split())
        what = f"{type(error).__name__}: {text}" if text else type(error).__name__
        super().__init__(
            f"An unexpected error: {what.rstrip('.')}.",
            fix="Put --debug right after chainwright to see the traceback, and report it.",
        )


def close(word: str, known: Collection[str]) -> str:
    """Return the question that ends a sentence: whether one of `known` was meant; empty when none is close."""
    import difflib

    found = difflib.get_close_matches(word, list(known), 1)
    return f' Did you mean "{found[0]}"?' if found else ""


def listed(title: str, known: Collection[str], otherwise: str) -> str:
    """Return what there is, as the next step."""
    names = sorted(known)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{title}: {', '.join(names[:SHOWN])}{more}" if names else otherwise


class FileUnreadable(UsageError):
    """A file that is to be read can't be."""

    code = "usage.file_unreadable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"The file can't be read: {reason}.", where=path, fix="Check its name and its mode.")


class PassphraseNeeded(UsageError):
    """A key is to leave the store without protection."""

    code = "usage.passphrase_needed"

    def __init__(self) -> None:
        super().__init__(
            "A PKCS#12 file with a key needs a passphrase.",
            fix="Write it to a file of mode 0600 and add --passphrase-file FILE.",
        )


class PasswordNeeded(UsageError):
    """There is no terminal on which a password could be typed."""

    code = "usage.password_needed"

    def __init__(self, user: str) -> None:
        super().__init__(
            f"There is no terminal on which the new password of {quoted(user)} could be typed.",
            fix="In scripts, give it on standard input and add --stdin.",
        )


class NotConfirmed(UsageError):
    """Something dangerous was not confirmed."""

    code = "usage.not_confirmed"

    def __init__(self, flag: str) -> None:
        super().__init__("This needs confirmation; nothing was changed.", fix=f"In scripts: {flag}")
