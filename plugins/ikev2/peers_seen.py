"""Certificates by which other sites have authenticated: charon keeps those that it was sent until they are flushed.

After a change of root each site needs new files before the root before is retired. Which have them shows when they authenticate.
A client with a password shows nothing: whether it has the new root can't be known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chainwright import finding_line
from plugins.ikev2.configuration import Configuration

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

BEFORE = "before-"
"""In the names of files of roots that are believed and no longer sign."""


def authenticated_by(charon: Any, configuration: Configuration) -> dict[str, str]:
    """Return the SHA-256 of the CA that signed what a site has shown, by connection, where more than one is believed."""
    sites = {name: each for name, each in _sites(configuration).items() if len(each.anchors) > 1}
    if not sites:
        return {}
    from cryptography.x509 import load_der_x509_certificate

    cached = [each["data"] for each in charon.list_certs({"type": "X509", "flag": "NONE"}) if not _is_ours(each)]
    leaves = [load_der_x509_certificate(each) for each in cached]
    return {name: found for name, each in sites.items() if (found := each.signer_of(leaves))}


def without_new_files(configuration: Configuration, seen: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each site that has to be given new files, where a root is believed that no longer signs."""
    replaced = {
        der for path, der in configuration.authorities.items() if Path(path).name.startswith(f"issuer.{BEFORE}")
    }
    old = {sha256(each).hexdigest() for each in replaced}
    for name, site in _sites(configuration).items():
        if not replaced.isdisjoint(site.anchors) and (name not in seen or seen[name] in old):
            yield finding_line(f"peer {name}", "notice", _cause(site.identity, name in seen), _fix(name, name in seen))


def _cause(identity: str, was_seen: bool) -> str:
    if was_seen:
        return f"{identity} still authenticates with a certificate of the root before, which is good until that is retired."
    return f"{identity} has not authenticated since the present root signs: it isn't known whether it has its new certificate."


def _fix(name: str, was_seen: bool) -> str:
    again = "" if was_seen else f" It authenticates again after: swanctl --terminate --ike {name}"
    return f"Bring it there: chainwright ikev2 export {name}.{again}"


class _Site:
    """One connection to another site."""

    def __init__(self, remote: Mapping[str, Any]) -> None:
        self.identity = str(remote.get("id", ""))
        self.anchors: list[bytes] = [*remote.get("cacerts", [])]

    def signer_of(self, leaves: list[Certificate]) -> str:
        """Return the SHA-256 of the CA that signed the newest certificate of this site; empty: there is none."""
        from cryptography.hazmat.primitives.hashes import SHA256

        own = sorted((each for each in leaves if self._is_for(each)), key=lambda each: each.not_valid_before_utc)
        signers = (root for leaf in reversed(own) for root in self._roots() if _has_signed(root, leaf))
        return next((root.fingerprint(SHA256()).hex() for root in signers), "")

    def _roots(self) -> list[Certificate]:
        from cryptography.x509 import load_der_x509_certificate

        return [load_der_x509_certificate(each) for each in self.anchors]

    def _is_for(self, leaf: Certificate) -> bool:
        from cryptography.x509 import ExtensionNotFound, SubjectAlternativeName

        try:
            names = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
        except (ExtensionNotFound, ValueError):
            return False
        return self.identity in {str(each.value) for each in names}


def _sites(configuration: Configuration) -> dict[str, _Site]:
    """Return the connections to sites: the others are of clients, who come and go."""
    found = configuration.connections.items()
    return {name: _Site(cast("Mapping[str, Any]", each["remote"])) for name, each in found if "pools" not in each}


def _is_ours(listed: Mapping[str, Any]) -> bool:
    return bool(listed.get("has_privkey") == b"yes")


def _has_signed(root: Certificate, leaf: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        leaf.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
