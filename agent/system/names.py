"""Names of chains: DNS names, wildcards and IP addresses, as canonical plain `str`.

A canonical name holds nothing but ``a-z 0-9 - . * _ :``, so it can be printed into any service's configuration:

- DNS names in lower case as A-labels (RFC 5890 section 2.3.2.1), without the trailing dot;
- wildcards with ``*`` as the whole leftmost label and at least two labels after it (RFC 9525 section 6.3);
- IP addresses as `ipaddress` writes them (RFC 5952 for IPv6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from agent.errors.name import NameInvalid

LONGEST_NAME = 253
"""Octets of a name in text form (RFC 1035 section 2.3.4: 255 on the wire)."""
LONGEST_LABEL = 63
"""Octets of a label (RFC 1035 section 2.3.4)."""

LABEL = re.compile(r"[a-z0-9_-]+")
WILDCARD = "*."

LOCAL_ENDINGS = frozenset({
    # Reserved so that they are never delegated: RFC 6761 (with RFC 2606), mDNS, the home network, onion services, non-DNS.
    "test", "example", "invalid", "localhost",  # RFC 6761 section 6
    "local",                                    # RFC 6762 section 3
    "onion",                                    # RFC 7686
    "alt",                                      # RFC 9476
    "arpa",                                     # RFC 3172: infrastructure; home.arpa is RFC 8375's name for the home network
    # In use inside networks, never delegated: RFC 6762 appendix G; ICANN reserved "internal" in 2024 and holds back
    # "home", "corp" and "mail" because of collisions.
    "internal", "intranet", "private", "corp", "home", "lan", "mail", "localdomain",
})  # fmt: skip
"""Top-level labels that no public CA certifies."""


def parse_name(text: str) -> str:
    """Return the canonical form of a DNS name, wildcard or IP address. Raises `NameInvalid`."""
    address = _address(text)
    if address is not None:
        return _canonical_address(text, address)
    if "@" in text:
        raise NameInvalid(text, "it is an e-mail address, and chains are for host names and addresses")
    host = text.removeprefix(WILDCARD)
    ascii_host = _to_ascii(text, host).lower().removesuffix(".")
    _check_host(text, ascii_host)
    if host == text:
        return ascii_host
    if "." not in ascii_host:
        raise NameInvalid(text, "a wildcard needs at least two labels after the asterisk, clients refuse it otherwise")
    return _shorter_than_a_name(text, WILDCARD + ascii_host)


def is_address(name: str) -> bool:
    """Whether a canonical name is an IP address."""
    return _address(name) is not None


def is_wildcard(name: str) -> bool:
    """Whether a canonical name is a wildcard."""
    return name.startswith(WILDCARD)


def is_public(name: str) -> bool:
    """Whether a public CA could certify a canonical name at all.

    Not so for addresses that are not globally reachable, for single labels, for the names of `LOCAL_ENDINGS`, and for
    names with an underscore (CA/Browser Forum Baseline Requirements, section 7.1.2.7.12).
    """
    address = _address(name)
    if address is not None:
        mapped = getattr(address, "ipv4_mapped", None)  # no address of a host (RFC 4291), whatever Python 3.13 says
        return address.is_global and not address.is_multicast and mapped is None
    labels = name.removeprefix(WILDCARD).split(".")
    return len(labels) > 1 and labels[-1] not in LOCAL_ENDINGS and "_" not in name


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate for `pattern` is good for `name` (both canonical; RFC 9525 section 6.3).

    A wildcard covers exactly one leftmost label. An address is covered only by itself, and so is a wildcard.
    """
    if pattern == name:
        return True
    if not is_wildcard(pattern) or is_wildcard(name) or is_address(name):
        return False
    return name.partition(".")[2] == pattern.removeprefix(WILDCARD)


def covers_all(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """Whether each of `names` is covered by one of `patterns` (all canonical)."""
    exact = set(patterns)
    wild = [pattern for pattern in exact if is_wildcard(pattern)]
    return all(name in exact or any(covers(pattern, name) for pattern in wild) for name in names)


def names_by_wildcards(names: Iterable[str], wildcards: Iterable[str]) -> tuple[str, ...]:
    """Replace names by those of `wildcards` that cover them (all canonical).

    An apex among `wildcards` comes with its wildcard, whether or not it is among `names`: all who use the wildcard then use
    one chain.
    """
    preferred = tuple(wildcards)
    found: dict[str, None] = {}
    for name in names:
        base = next((each.removeprefix(WILDCARD) for each in preferred if covers(each, name)), "")
        found |= dict.fromkeys([each for each in preferred if each.removeprefix(WILDCARD) == base] or [name])
    return tuple(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if not text or (":" not in text and not text[-1].isdigit()):  # a quick answer for most names
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def _canonical_address(text: str, address: IPv4Address | IPv6Address) -> str:
    if "%" in text:
        raise NameInvalid(text, "a certificate can't name the zone of an address (the part after %)")
    return str(address)


def _to_ascii(text: str, host: str) -> str:
    if host.isascii():
        return host
    if len(host) > LONGEST_NAME:
        raise NameInvalid(text, f"it is longer than {LONGEST_NAME} characters")
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise NameInvalid(text, f"it has no IDNA form ({str(error).rstrip('.')})") from error


def _check_host(text: str, host: str) -> None:
    if not host:
        raise NameInvalid(text, "it is empty")
    _shorter_than_a_name(text, host)
    labels = host.split(".")
    for label in labels:
        _check_label(text, label)
    if labels[-1].isdigit():  # never a top-level domain (RFC 3696 section 2), always a mistyped address
        raise NameInvalid(text, "it ends in a number like an IP address, but is none")


def _shorter_than_a_name(text: str, name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise NameInvalid(text, f"it is longer than {LONGEST_NAME} characters")
    return name


def _check_label(text: str, label: str) -> None:
    if not label:
        raise NameInvalid(text, "it has two dots side by side, or one at its beginning")
    if not LABEL.fullmatch(label):
        raise NameInvalid(text, _why_not_a_label(label))
    if len(label) > LONGEST_LABEL:
        raise NameInvalid(text, f"a label is longer than {LONGEST_LABEL} characters")
    if label[0] == "-" or label[-1] == "-":
        raise NameInvalid(text, "a label begins or ends with a hyphen")


def _why_not_a_label(label: str) -> str:
    if "*" in label:
        return "an asterisk may only be the whole leftmost label"
    return "only letters, digits, hyphens, underscores and dots are allowed"
