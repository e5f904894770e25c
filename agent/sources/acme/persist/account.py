"""Whom a record is for: an account at a CA, as the drafts -01 and -02 write it. Pure."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from agent.errors.persist import AccountUnwritable, IssuersUnknown
from agent.sources.acme.persist.reading import VALUE

if TYPE_CHECKING:
    from agent.sources.acme.messages import Account, Directory, DirectoryMeta

MOST_ISSUERS = 10
LONGEST_NAME = 253
ISSUER = re.compile(r"[a-z0-9._-]+")
"""What a record can begin with (RFC 8659 section 4.2): text with a semicolon or a line's end would be another record."""
LONGEST_URL = 1000
"""Characters of an address that people can be asked to enter into a zone."""
ANY = "*"
"""In place of a domain: the hashed account is the same for all of them."""


@dataclass(frozen=True, slots=True)
class PersistAccount:
    """An account at a CA that a record can name."""

    issuers: tuple[str, ...]
    """Names that the CA goes by; the first one is written."""
    url: str
    thumbprint: str
    """Of the account key."""
    hash_prefix: str = ""
    """Of draft -02; empty: draft -01, where the account is its URL."""
    ca: str = ""
    """What people call the CA."""

    def uri_for(self, domain: str) -> str:
        """Return the ``accounturi`` of the record of `domain`."""
        return self._hashed(domain) if self.hash_prefix else self.url

    def uris_for(self, domain: str) -> tuple[str, ...]:
        """Return each ``accounturi`` that the CA takes for `domain`, the one to be written first."""
        return (self._hashed(domain), self._hashed(ANY)) if self.hash_prefix else (self.url,)

    def _hashed(self, domain: str) -> str:
        name = domain.encode("ascii")
        digest = sha256(bytes([len(name)]) + name + self.thumbprint.encode("ascii") + self.url.encode("utf-8")).digest()
        return f"{self.hash_prefix}sha-256/{urlsafe_b64encode(digest).decode().rstrip('=')}"


def is_announced(directory: Directory) -> bool:
    """Whether the CA says that it takes records of draft -02."""
    meta = directory.meta
    return bool(_prefix_in(meta) and issuers_in(meta.issuer_domain_names))


def account_at(directory: Directory, account: Account, ca: str) -> PersistAccount:
    """Return the account as records name it, by what the CA's directory says. Raises `IssuersUnknown`, `AccountUnwritable`."""
    meta = directory.meta
    named = issuers_in(meta.issuer_domain_names)
    issuers = named or issuers_in(meta.caa_identities, most=None)
    if not issuers:
        raise IssuersUnknown(ca)
    prefix = _prefix_in(meta) if named else ""
    if not prefix and not _is_writable(account.url):
        raise AccountUnwritable(ca, account.url)
    return PersistAccount(issuers, account.url, account.thumbprint, prefix, ca)


def _prefix_in(meta: DirectoryMeta) -> str:
    """Return what hashed accounts begin with; empty: the CA says nothing of it that a record can hold."""
    prefix = meta.account_hash_prefix
    return prefix if _is_writable(prefix) else ""


def _is_writable(value: str) -> bool:
    return len(value) <= LONGEST_URL and VALUE.fullmatch(value) is not None


def issuers_in(value: object, most: int | None = MOST_ISSUERS) -> tuple[str, ...]:
    """Return a list of issuer names in lower case; none where it is not what the drafts allow."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value or (most and len(value) > most):
        return ()
    names = [each.lower() for each in value if isinstance(each, str)]
    usable = len(names) == len(value) and all(len(each) <= LONGEST_NAME and ISSUER.fullmatch(each) for each in names)
    return tuple(dict.fromkeys(names)) if usable else ()
