"""Backups of the whole appliance: made, read and restored."""

from __future__ import annotations

from collections.abc import Collection

from agent.errors.base import AgentError


class BackupError(AgentError):
    """A backup can't be read, made or restored; nothing has changed. `where` is the file."""

    code = "backup"
    effect = "Nothing was changed."


class NotABackup(BackupError):
    """The file is something else."""

    code = "backup.not_one"
    cause = "The file is no backup of Chainwright: {reason}."
    fix = "Name a file that was made by: chainwright backup FILE"
    where: str
    reason: str


class BackupDamaged(BackupError):
    """The file was cut off or changed since it was made."""

    code = "backup.damaged"
    cause = "The backup is damaged: {reason}."
    fix = "Fetch the file once more from where it is kept, or take an earlier backup."
    where: str
    reason: str


class BackupPassphraseWrong(BackupError):
    """The passphrase is another one."""

    code = "backup.passphrase_wrong"
    cause = "The passphrase is not the one with which the backup was made, or the beginning of the file was changed."
    fix = "Try again with the passphrase of that day."
    where: str


class BackupTooNew(BackupError):
    """A later release has made it, in another form."""

    code = "backup.too_new"
    cause = "The backup has a form that this release doesn't know ({form})."
    fix = "Restore it with the release that has made it, or a later one."
    where: str
    form: str


class BackupPassphraseNeeded(BackupError):
    """There is no terminal to type it on."""

    code = "backup.passphrase_needed"
    cause = "There is no terminal on which the passphrase of the backup could be typed."
    fix = "Write it to a file of mode 0600 and add --passphrase-file FILE."


class BackupUnwritable(BackupError):
    """The file can't be made."""

    code = "backup.unwritable"
    cause = "The backup can't be written: {reason}."
    fix = "Choose another name or another place; a file that is there is never replaced."
    where: str
    reason: str


class RestoreImpossible(BackupError):
    """What is in the backup can't be put in place."""

    code = "backup.not_restored"
    cause = "The backup can't be put in place: {reason}."
    fix = "Look at the directory (owner, mode, room on the disk), then restore again."
    where: str
    reason: str


class StateInTheWay(BackupError):
    """There is a state already, which a restore would replace."""

    code = "backup.state_there"
    cause = "There are settings or keys here already: {found:few}."
    fix = "Move all of it aside and restore with: chainwright restore FILE --replace"
    where: str
    found: Collection[str]
