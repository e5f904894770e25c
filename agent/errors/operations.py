"""What an administrator asked for can't be done."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from datetime import datetime

from agent.errors.base import AgentError


class OperationError(AgentError):
    """A request of an administrator is refused; nothing has changed."""

    code = "hand"


class NameNotCovered(OperationError):
    """An upload does not cover the name that it was uploaded for (RFC 9525 section 6)."""

    code = "hand.name_not_covered"
    cause = 'The chain does not cover "{name}"; it is for {names: or no name at all}.'
    where = "upload"
    fix = "Upload the chain of that name, or leave out --for."
    name: str
    names: Collection[str]


class PassphraseRefused(OperationError):
    """A passphrase that protects a key on its way is too weak. The message has nothing of it."""

    code = "hand.passphrase_refused"
    cause = "The passphrase is refused: {reason}. Nothing was exported."
    fix = "Choose a longer one, of several words: nothing else protects the key in the file."
    reason: str


class NoLineages(OperationError):
    """A directory isn't the one of another ACME client, or nothing is in it."""

    code = "hand.no_lineages"
    cause = "There is no chain of {client} in this directory: nothing is in {holds}/."
    fix = "{cure}: chainwright import {found_client} {found_path}"
    where: str
    client: str
    holds: str
    usual: str
    other_client: str = ""
    """Client whose directory this one is, or is in."""
    other_path: str = ""

    @property
    def cure(self) -> str:
        """What to name instead."""
        if not self.other_client:
            return "Name the directory in which it keeps its files, usually"
        return f"Name the directory in which {self.other_client} keeps its files"

    @property
    def found_client(self) -> str:
        """Client of the command."""
        return self.other_client or self.client

    @property
    def found_path(self) -> str:
        """Directory of the command."""
        return shlex.quote(self.other_path or self.usual)


class NotNeeded(OperationError):
    """No module needs what was uploaded. `unfit`: a clause for each need of its names that it can't serve all the same."""

    code = "hand.nobody_needs"
    cause = "No module {unfit:?can use the or needs a} chain for {names}{unfit:?: %}."
    where = "upload"
    fix = (
        "{unfit:?Upload one that fits; --keep-unused keeps this one for later."
        " or Keep it for later with --keep-unused. Needed are: {known:sorted 5 or none}.}"
    )
    names: Collection[str]
    known: Collection[str]
    unfit: str = ""


class UploadsNotAllowed(OperationError):
    """What was uploaded covers what modules need, and no uploaded chain may serve there."""

    code = "hand.uploads_not_allowed"
    cause = (
        "The chain covers what {places:few} needs, but no uploaded chain may serve there: "
        "the sources are {sources:few or none}."
    )
    where = "upload"
    fix = 'Name "uploaded" in the setting `sources`{module:? of %}, or keep the chain for later with --keep-unused.'
    places: Sequence[str]
    sources: Sequence[str]
    module: str = ""


class AlreadyUploaded(OperationError):
    """The very same chain is there."""

    code = "hand.already_uploaded"
    cause = "This chain has been uploaded before."
    where = "chain {chain:short}"
    fix = "See who uses it: chainwright show {chain:short}"
    chain: str


class ChainInUse(OperationError):
    """A chain that modules use is to be deleted. `users`: ``module/slot``; `successors`: what takes over, by name."""

    code = "hand.chain_in_use"
    cause = "The chain is used by {users}."
    where = "chain {chain:short}"
    fix = "Hand over at once with --yes: {successors:semicolons}.{pinned:? Its pin for % goes with it.}"
    chain: str
    users: Sequence[str]
    successors: Sequence[str]
    pinned: Sequence[str] = ()
    """What it is pinned for."""


class OnlyKeyLost(OperationError):
    """An uploaded chain that nobody uses is to be deleted: there is no other copy of its key here."""

    code = "hand.only_key_lost"
    cause = "No module uses the chain for {names}; its key would be gone with it, and nothing was deleted."
    where = "chain {chain:short}"
    fix = "Delete it with --yes. To keep a copy: chainwright export {chain:short} --with-key --out FILE"
    chain: str
    names: Collection[str]


class NotDeletable(OperationError):
    """A chain that the agent makes itself would only be made again."""

    code = "hand.not_deletable"
    cause = 'Only uploaded chains can be deleted; this one is of the source "{source}".'
    where = "chain {chain:short}"
    fix = "For a new one: chainwright reissue NAME"
    chain: str
    source: str


class NothingToReissue(OperationError):
    """No request has the name."""

    code = "hand.nothing_to_reissue"
    cause = 'No module needs a chain for "{name}".{suggestion:? Did you mean %?}'
    where = "reissue"
    fix = "All names: chainwright status"
    name: str
    suggestion: str


class RootAlreadyPresent(OperationError):
    """The root that is uploaded signs already."""

    code = "hand.root_already_present"
    cause = "This root signs already."
    where = "root {sha256:short}"
    fix = "See it: chainwright root show"
    sha256: str


class NotInLadder(OperationError):
    """Something is to be done by a source that is not in use."""

    code = "hand.not_in_ladder"
    cause = 'The source "{source}" is not in the ladder, which is: {ladder}.'
    where = "source {source}"
    fix = "Name it in the setting `sources`."
    source: str
    ladder: Collection[str]


class IssuerNotInSettings(OperationError):
    """A chain is to be revoked whose CA the settings do not name any more."""

    code = "hand.issuer_not_in_settings"
    cause = "The chain was issued by {origin}, which none of the sources in use is set to now."
    where = "source {source}"
    fix = (
        'Add [[acme]] with name = "{source}" and directory = "{origin}", then revoke it: no account is needed there, '
        "since its key can sign that. Until then, have another one served: chainwright reissue --force {name}"
    )
    source: str
    origin: str
    name: str


class ClockBeforeRelease(OperationError):
    """The machine's clock shows an instant before this release was made, which can't be right."""

    code = "hand.clock_before_release"
    cause = "The machine's clock shows {shown:time}, which is before this release was made ({released:time})."
    where = "clock"
    fix = "Set it, for example with timedatectl set-ntp true."
    shown: datetime
    released: datetime


class ClockNeverSet(OperationError):
    """The machine's clock shows an instant at which this release is no longer in use, which can't be right."""

    code = "hand.clock_never_set"
    cause = "The machine's clock shows {shown:time}, more than 30 years after this release was made ({released:time})."
    where = "clock"
    fix = "Set it, for example with timedatectl set-ntp true."
    shown: datetime
    released: datetime
