"""Whom a record is for: an account at a CA, as the drafts -01 and -02 write it. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from agent.errors.persist import IssuersUnknown

if TYPE_CHECKING:
    from agent.sources.acme.messages import Account, Directory

MOST_ISSUERS = 10
LONGEST_NAME = 253
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
    return bool(meta.account_hash_prefix and issuers_in(meta.issuer_domain_names))


def account_at(directory: Directory, account: Account, ca: str) -> PersistAccount:
    """Return the account as records name it, by what the CA's directory says. Raises `IssuersUnknown`."""
    meta = directory.meta
    named = issuers_in(meta.issuer_domain_names)
    issuers = named or issuers_in(meta.caa_identities, most=None)
    if not issuers:
        raise IssuersUnknown(ca)
    prefix = meta.account_hash_prefix if named else ""
    return PersistAccount(issuers, account.url, account.thumbprint, prefix, ca)


def issuers_in(value: object, most: int | None = MOST_ISSUERS) -> tuple[str, ...]:
    """Return a list of issuer names in lower case; none where it is not what the drafts allow."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value or (most and len(value) > most):
        return ()
    names = [each.lower() for each in value if isinstance(each, str)]
    usable = len(names) == len(value) and all(0 < len(each) <= LONGEST_NAME and each.isascii() for each in names)
    return tuple(dict.fromkeys(names)) if usable else ()
