"""Name constraints of authorities (RFC 5280 section 4.2.1.10), which clients check and most services do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.errors.wording import few, quoted
from agent.pki.certificate import extension, is_self_issued, names_of
from agent.pki.distinguished_names import within_name
from agent.system.names import WILDCARD, is_address

Kind: TypeAlias = type[x509.GeneralName]


@dataclass(frozen=True, slots=True)
class ConstrainedName:
    """A name of a certificate that constraints may be about."""

    kind: Kind
    value: object
    shown: str


def forbidden(path: Sequence[x509.Certificate]) -> Iterator[tuple[str, x509.Certificate]]:
    """Yield each name that an authority of the path (leaf first) may not issue for, with the authority.

    Names of self-issued certificates are not looked at, but for the leaf's (RFC 5280 section 6.1.3).
    """
    for place, authority in enumerate(path[1:], start=1):
        constraints = extension(authority, x509.NameConstraints)
        below = [each for at, each in enumerate(path[:place]) if at == 0 or not is_self_issued(each)]
        if constraints is not None:
            names = [name for certificate in below for name in _names(certificate)]
            yield from ((name.shown, authority) for name in names if not _permits(constraints, name))


def limits_of(authority: x509.Certificate) -> str:
    """Return what the name constraints of an authority say, as a clause; empty where there are none."""
    found = extension(authority, x509.NameConstraints)
    rows = {"permitted": found.permitted_subtrees, "not for": found.excluded_subtrees} if found else {}
    return "; ".join(f"{word}: {few([_tree(each) for each in trees])}" for word, trees in rows.items() if trees)


def _tree(name: x509.GeneralName) -> str:
    text = _shown(name)
    below = isinstance(name, (x509.DNSName, x509.UniformResourceIdentifier)) and text.startswith(".")
    return f"names below {quoted(text[1:])}" if below else quoted(text)


def half_excluded(path: Sequence[x509.Certificate]) -> Iterator[tuple[str, x509.Certificate]]:
    """Yield wildcards of the leaf of which an authority may not issue for every name, with the authority."""
    wildcards = [name for name in names_of(path[0]) if name.startswith(WILDCARD)]
    for authority in path[1:]:
        constraints = extension(authority, x509.NameConstraints)
        trees = (constraints.excluded_subtrees if constraints else None) or ()
        bases = [tree.value.lower().removeprefix(".") for tree in trees if isinstance(tree, x509.DNSName)]
        for name in wildcards:
            if any(base.partition(".")[2] == name.removeprefix(WILDCARD) for base in bases):
                yield name, authority


def _names(certificate: x509.Certificate) -> Iterator[ConstrainedName]:
    """Yield what constraints are compared with: subject, e-mail addresses in it, and alternative names."""
    subject = certificate.subject
    if subject.rdns:
        yield ConstrainedName(x509.DirectoryName, subject, subject.rfc4514_string())
    for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield ConstrainedName(x509.RFC822Name, attribute.value, str(attribute.value))
    alternatives = extension(certificate, x509.SubjectAlternativeName)
    if alternatives is None:  # clients that take the common name for the host's compare that
        yield from (_host(name) for name in names_of(certificate))
    for each in alternatives or ():
        yield ConstrainedName(type(each), each.value, _shown(each))


def _shown(name: x509.GeneralName) -> str:
    if isinstance(name, x509.DirectoryName):
        return name.value.rfc4514_string()
    if isinstance(name, x509.RegisteredID):
        return name.value.dotted_string
    return f"a name of the type {name.type_id.dotted_string}" if isinstance(name, x509.OtherName) else str(name.value)


def _host(name: str) -> ConstrainedName:
    address = ip_address(name) if is_address(name) else None
    return ConstrainedName(x509.IPAddress if address else x509.DNSName, address or name, name)


def _permits(constraints: x509.NameConstraints, name: ConstrainedName) -> bool:
    """Whether the constraints permit a name. A permitted subtree bounds only names of its own kind."""
    permitted = [each for each in constraints.permitted_subtrees or () if isinstance(each, name.kind)]
    excluded = [each for each in constraints.excluded_subtrees or () if isinstance(each, name.kind)]
    if not permitted and not excluded:
        return True
    if name.kind not in WITHIN:  # a kind that no client compares: RFC 5280 has it refused
        return False
    return (not permitted or _among(name, permitted)) and not _among(name, excluded)


def _among(name: ConstrainedName, trees: Iterable[x509.GeneralName]) -> bool:
    return any(WITHIN[name.kind](name.value, tree.value) for tree in trees)


def _within_domain(name: object, base: object) -> bool:
    """Whether a DNS name is in a subtree; one that begins with a dot holds no name without a further label."""
    host, suffix = str(name).lower().rstrip("."), str(base).lower()
    if suffix.startswith("."):
        return host.endswith(suffix) and host != suffix
    return not suffix or host == suffix or host.endswith("." + suffix)


def _within_network(name: object, base: object) -> bool:
    return (
        isinstance(name, (IPv4Address, IPv6Address))
        and isinstance(base, (IPv4Network, IPv6Network))
        and name.version == base.version
        and name in base
    )


def _within_directory(name: object, base: object) -> bool:
    return isinstance(name, x509.Name) and isinstance(base, x509.Name) and within_name(name, base)


def _within_mailboxes(name: object, base: object) -> bool:
    """Whether an e-mail address is the one, or at the one host, or below the domain with a dot."""
    local, _, host = str(name).rpartition("@")
    wanted, _, domain = str(base).rpartition("@")
    if wanted:
        return local == wanted and host.lower() == domain.lower()
    return _within_host(host, domain)


def _within_hosts(name: object, base: object) -> bool:
    """Whether the host of a URI is the one, or below the domain with a dot. One without a host is in no subtree."""
    try:
        host = urlsplit(str(name)).hostname or ""
    except ValueError:
        return False
    return bool(host) and not is_address(host) and _within_host(host, str(base))


def _within_host(host: str, base: str) -> bool:
    base = base.lower()
    return not base or (host.lower().endswith(base) if base.startswith(".") else host.lower() == base)


WITHIN = {
    x509.DNSName: _within_domain,
    x509.IPAddress: _within_network,
    x509.DirectoryName: _within_directory,
    x509.RFC822Name: _within_mailboxes,
    x509.UniformResourceIdentifier: _within_hosts,
}
