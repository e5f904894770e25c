"""Second opinions about a certification path: of OpenSSL in a TLS handshake in memory, and of cryptography's verifier."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from OpenSSL import SSL, crypto
from OpenSSL._util import ffi, lib  # for OpenSSL's own words, which nothing public returns

from agent.pki.purpose import Purpose
from agent.system.names import WILDCARD, is_address

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

OPENSSL = "OpenSSL"
STRICT = "Python 3.13"
"""The first Python whose default is OpenSSL's X509_V_FLAG_X509_STRICT."""
CRYPTOGRAPHY = "Python's cryptography"
"""Follows the profile of the Web PKI (CA/Browser Forum) to the letter."""

AROUND = re.compile(r"^(?:validation failed: )?(?:candidates exhausted: )*|(?: \(encountered processing .*)?$")
FLIGHTS = 6
"""More flights of messages than a handshake has."""
PIECE = 1 << 16
"""Octets that are carried to the other side at a time."""
UNREADABLE = "it can't be read"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: certificates without the trust anchor, leaf first; and the anchor, which may be the last one."""

    presented: tuple[x509.Certificate, ...]
    anchor: x509.Certificate
    purpose: Purpose
    names: Sequence[str]
    """Names as they are in the leaf."""
    key: PrivateKey | None
    """The leaf's; without it OpenSSL isn't asked."""


def of_cryptography(subject: Subject, now: datetime) -> str:
    """Return why cryptography's verifier refuses a path at `now`, in its words; empty where it doesn't."""
    builder = verification.PolicyBuilder().store(verification.Store([subject.anchor])).time(now)
    leaf, *intermediates = subject.presented
    try:
        if subject.purpose is Purpose.CLIENT:
            builder.build_client_verifier().verify(leaf, intermediates)
        elif subject.names:
            builder.build_server_verifier(_asked(subject.names[0])).verify(leaf, intermediates)
    except verification.VerificationError as error:
        return AROUND.sub("", str(error)) or str(error)
    except ValueError:  # a name that it doesn't take for one
        return ""
    return ""


def of_openssl(subject: Subject, now: datetime, *, strict: bool = False) -> str:
    """Return why OpenSSL refuses a path at `now`, in its words; empty where it doesn't, or has no key to be asked with."""
    if subject.key is None:
        return ""
    found: list[str] = []
    of_server = subject.purpose is Purpose.SERVER
    try:
        verifying, sending = _context(level=2), _context(level=0)
        _verify(verifying, subject, now, found, strict=strict)
        for each in (sending,) if of_server else (sending, verifying):  # each server needs a chain
            _give(each, subject)
        verifier, sender = SSL.Connection(verifying), SSL.Connection(sending)
    except crypto.Error as error:  # it reads encodings more strictly than cryptography
        return _reason(error) or UNREADABLE
    for side, is_server in ((verifier, not of_server), (sender, of_server)):
        (side.set_accept_state if is_server else side.set_connect_state)()
    failure = _shake_hands(verifier, sender)
    return found[0] if found else failure


def _asked(name: str) -> x509.DNSName | x509.IPAddress:
    if is_address(name):
        return x509.IPAddress(ip_address(name))
    return x509.DNSName("www." + name.removeprefix(WILDCARD) if name.startswith(WILDCARD) else name)


def _context(level: int) -> SSL.Context:
    """Return one side. `level`: OpenSSL's security level, 2 as clients have it, 0 to send anything."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(f"DEFAULT:@SECLEVEL={level}".encode())
    context.set_tmp_ecdh(
        ec.SECP256R1()
    )  # of the groups for the exchange of keys, which nothing depends on, the quickest
    return context


def _verify(context: SSL.Context, subject: Subject, now: datetime, found: list[str], *, strict: bool) -> None:
    """Let a side verify, and add to `found` what it refuses."""
    store = context.get_cert_store()
    assert store is not None  # a context always has one
    store.add_cert(crypto.X509.from_cryptography(subject.anchor))
    store.set_time(now)
    flags = crypto.X509StoreFlags
    store.set_flags(flags.PARTIAL_CHAIN | flags.X509_STRICT if strict else flags.PARTIAL_CHAIN)

    def note(_side: SSL.Connection, _certificate: crypto.X509, number: int, _depth: int, good: int) -> bool:
        if not good:
            found.append(ffi.string(lib.X509_verify_cert_error_string(number)).decode())
        return bool(good)

    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, note)


def _give(context: SSL.Context, subject: Subject) -> None:
    """Give a side the chain."""
    assert subject.key is not None
    with suppress(SSL.Error):  # the verifying side may find its own chain too weak: it has said enough if nobody asks
        context.use_certificate(subject.presented[0])
        context.use_privatekey(subject.key)
        for certificate in subject.presented[1:]:
            context.add_extra_chain_cert(certificate)


def _shake_hands(verifier: SSL.Connection, sender: SSL.Connection) -> str:
    """Let two sides talk until one of them ends it or both are done. Return why the one that verifies ended it."""
    failure = ""
    for _ in range(FLIGHTS):
        carried = 0
        for side, other in ((verifier, sender), (sender, verifier)):
            try:
                side.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                failure = failure or (_reason(error) if side is verifier else "")
            carried += _carry(side, other)
        if not carried:
            break
    return failure


def _carry(side: SSL.Connection, other: SSL.Connection) -> int:
    """Bring the other side what one has to say; return how many octets that were."""
    carried = 0
    with suppress(SSL.WantReadError):
        while piece := side.bio_read(PIECE):
            carried += other.bio_write(piece)
    return carried


def _reason(error: Exception) -> str:
    """Return the first reason that OpenSSL gives: an error of pyOpenSSL holds library, function and reason of each."""
    return next((reason for _, _, reason in error.args[0] if reason), "") if error.args else ""
