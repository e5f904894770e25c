"""What another ACME client has can't be taken over, or only in part. The other lineages and accounts are."""

from __future__ import annotations

import shlex
from datetime import datetime

from agent.errors.base import AgentError


class ImportRefused(AgentError):
    """A lineage or an account of another client stays there."""

    code = "import"


class LinkLeadsOut(ImportRefused):
    """A file is a symbolic link to a place that was not named."""

    code = "import.link_leads_out"
    cause = "It is a symbolic link that leads out of {directory}."
    fix = "Put the file there itself, or name the directory in which it is."
    where: str
    directory: str


class LinkDangles(ImportRefused):
    """A file is a symbolic link to one that isn't there: only a part of the directory was copied."""

    code = "import.link_dangles"
    cause = "It is a symbolic link to {target}, and there is no such file."
    fix = "Copy the directory of the client whole, or name the original one."
    where: str
    target: str


class FileUntrusted(ImportRefused):
    """Somebody else can have written a file, or a directory that it is in."""

    code = "import.file_untrusted"
    cause = "The file isn't read: {reason:clause}."
    fix = "Correct that, and import once more{command:?: %}"
    where: str
    reason: str
    command: str


class KeyEncrypted(ImportRefused):
    """A private key is protected by a passphrase, which no client can have renewed by itself."""

    code = "import.key_encrypted"
    cause = "The private key is protected by a passphrase."
    fix = "Decrypt it, and import once more: {command}"
    where: str

    @property
    def command(self) -> str:
        """Writes the key to a file of its own first: the client's stays whole where the passphrase is wrong."""
        path = shlex.quote(self.where)
        return f"openssl pkey -in {path} -out {path}.plain && mv {path}.plain {path}"


class TooManyEntries(ImportRefused):
    """A directory has more in it than another client keeps there."""

    code = "import.too_many"
    cause = "There are more than {most} entries in this directory."
    fix = "Name the directory in which the client keeps its files."
    where: str
    most: int


class StagingChain(ImportRefused):
    """A chain is of a CA for tests."""

    code = "import.staging_chain"
    cause = "It is of {ca}, a CA for tests, whose certificates no client trusts."
    fix = "Nothing has to be done: what needs its names gets a chain from the sources in the settings."
    ca: str


class NewerChainThere(ImportRefused):
    """The source that would go on with a chain has a newer one."""

    code = "import.newer_chain"
    cause = "{source} has a newer chain for what it serves: {chain:short}, until {until:time}."
    fix = "Nothing has to be done: that one serves, and is renewed."
    source: str
    chain: str
    until: datetime


class AccountElsewhere(ImportRefused):
    """An account is at a CA that isn't asked here."""

    code = "import.account_elsewhere"
    cause = "It is at {ca}{kind}, which no source here asks."
    fix = "{cure}"
    ca: str
    staging: bool = False

    @property
    def kind(self) -> str:
        """What is to be known of the CA."""
        return ", a CA for tests" if self.staging else ""

    @property
    def cure(self) -> str:
        """What would have it taken."""
        if self.staging:
            return "Nothing has to be done."
        return "If that CA is to go on, set directory in [acme] to the URL of its directory, and import once more."


class AccountThere(ImportRefused):
    """The appliance has an account, which isn't overwritten."""

    code = "import.account_there"
    cause = "This appliance has an account of its own at {ca}: {url}. It is not overwritten."
    fix = "Nothing has to be done, unless a CAA record names the other one with accounturi: it has to name this one."
    ca: str
    url: str


class AnotherAccountTaken(ImportRefused):
    """There is one account key here for all CAs, so one account is taken over."""

    code = "import.another_account"
    cause = "Another account of this client is the one that is taken over: {url}."
    fix = "Nothing has to be done: renewals go by that one."
    url: str


class AccountNotKnown(ImportRefused):
    """The CA does not know an account by the key (RFC 8555 section 7.3.1, onlyReturnExisting)."""

    code = "import.account_not_known"
    cause = "{ca} knows no account by this key."
    fix = "Nothing has to be done: the first order makes an account."
    ca: str


class AccountKeyUnusable(ImportRefused):
    """The key of an account is damaged, protected by a passphrase, weak, or of a kind that ACME has no algorithm for."""

    code = "import.account_key_unusable"
    cause = "Its key can't be used: {reason:clause}."
    fix = "Nothing has to be done: the first order makes an account."
    reason: str


class AccountOver(ImportRefused):
    """The CA knows the account, and doesn't accept it."""

    code = "import.account_over"
    cause = "{ca} does not accept this account: {reason:said}."
    fix = "Nothing has to be done: the first order makes an account."
    ca: str
    reason: str


class AccountUnasked(ImportRefused):
    """An account is taken over without the word of its CA, which can't be reached now."""

    code = "import.account_unasked"
    cause = "{ca} could not be asked about this account: {reason:clause}."
    fix = "It is asked again by itself; where it does not know the account, the first order makes another one."
    ca: str
    reason: str
