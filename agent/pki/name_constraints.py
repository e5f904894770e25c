"""Name constraints of authorities (RFC 5280 section 4.2.1.10), which clients check and most services do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address

from cryptography import x509

from agent.pki.certificate import extension
from agent.system.names import WILDCARD, is_address


def not_permitted(names: Iterable[str], authority: x509.Certificate) -> Iterator[str]:
    """Yield the names that an authority may not issue for."""
    constraints = extension(authority, x509.NameConstraints)
    if constraints is not None:
        yield from (name for name in names if not _permits(constraints, name))


def _permits(constraints: x509.NameConstraints, name: str) -> bool:
    """Whether the constraints permit a name. A permitted subtree bounds only names of its own kind."""
    kind = x509.IPAddress if is_address(name) else x509.DNSName
    permitted = [each for each in constraints.permitted_subtrees or () if isinstance(each, kind)]
    excluded = [each for each in constraints.excluded_subtrees or () if isinstance(each, kind)]
    return (not permitted or _among(name, permitted)) and not _among(name, excluded)


def _among(name: str, trees: Iterable[x509.GeneralName]) -> bool:
    return any(_within(name, tree.value) for tree in trees)


def _within(name: str, tree: object) -> bool:
    if isinstance(tree, (IPv4Network, IPv6Network)):
        return ip_address(name) in tree
    suffix = str(tree).lower().removeprefix(".")
    host = name.removeprefix(WILDCARD)
    return not suffix or host == suffix or host.endswith("." + suffix)
