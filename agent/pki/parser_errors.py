"""Reasons of parsers in a person's words. Nothing of what was said about a key is quoted."""

from __future__ import annotations

import re

from cryptography import x509

from agent.system.text import printable

ASN1_KINDS = {
    "ShortData": "is cut short",
    "ExtraData": "has more data behind its end",
    "UnexpectedTag": "is not what belongs there",
    "InvalidValue": "has a value that is not allowed",
}
"""Kinds of errors of cryptography's parser, as a predicate."""
LONGEST = 100
"""Characters of a parser's words."""
KIND = re.compile(r"kind: (\w+)")
FIELD = re.compile(r'"(?:\w+::)?(\w+)"|\b(\d+)(?=[,\]])')
KEY_DETAILS = re.compile(r"ASN\.1 parsing error: ([a-z ]+)")
UNSUPPORTED = re.compile(r"(?:Unknown key type:|Curve) ([\d.]+)")
NO_BLOCK = "it has no whole block of its kind in PEM form"
NOT_POSITIVE = "its serial number is not positive (RFC 5280 section 4.1.2.2)"
"""Reason of the agent itself, as of an error of a parser."""
ADDRESS = "an address in it has another length than one of IPv4 or IPv6 with its mask"
MESSAGES = {
    NOT_POSITIVE: NOT_POSITIVE,
    "PEM file": NO_BLOCK,
    "Valid PEM but": NO_BLOCK,
    "no certificate data": "it holds no certificate",
    "does not appear to be an IPv4 or IPv6": ADDRESS,
    "has host bits set": ADDRESS,
    "must be an IPv4Network": ADDRESS,
    "Invalid netmask": ADDRESS,
    "Unable to parse PKCS7 data": "its structure is not that of RFC 5652",
}
"""Parts of messages of cryptography, and what they mean."""
CURVE_PARAMETERS = "explicit parameters"


def reason_of(error: Exception) -> str:
    """Return why a certificate, a bundle or a request can't be parsed, as a clause; in the parser's words where they are new."""
    if isinstance(error, x509.DuplicateExtension):
        return f"it has the extension {error.oid.dotted_string} twice (RFC 5280 section 4.2)"
    if isinstance(error, x509.InvalidVersion):
        return f"there is no version {error.parsed_version + 1} of it"
    if isinstance(error, x509.UnsupportedGeneralNameType):
        return "it holds a name of the kind x400Address or ediPartyName, which nothing here reads"
    text = str(error)
    known = (reason for part, reason in MESSAGES.items() if part in text)
    return next(known, "") or _of_asn1(text) or f'"{printable(text, LONGEST)}"'


def reason_of_key(error: Exception) -> str:
    """Return why a private key can't be parsed, as a clause."""
    if found := KEY_DETAILS.search(str(error)):
        return f"its structure is not that of a key ({found[1].strip()})"
    return "the numbers in it are not those of a key"


def unsupported_kind(error: Exception) -> str:
    """Return what kind of key is not supported: its object identifier, or what is odd about it."""
    if found := UNSUPPORTED.search(str(error)):
        return found[1]
    return "elliptic curve with parameters of its own" if CURVE_PARAMETERS in str(error) else "unknown"


def _of_asn1(text: str) -> str:
    found = KIND.search(text)
    if found is None:
        return ""
    fields = [name or number for name, number in FIELD.findall(text.partition("location:")[2])]
    field = ".".join(each for each in fields if each[0].islower() or each.isdigit())
    if not field and found[1] == "UnexpectedTag":
        return "it begins with something else"
    return f"{f'its field {field}' if field else 'it'} {ASN1_KINDS.get(found[1], 'is malformed')}"
