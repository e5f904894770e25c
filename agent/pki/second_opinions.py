"""Second opinions about a certification path: of OpenSSL in a TLS handshake in memory, and of cryptography's verifier."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification

from agent.pki.key import key_pem
from agent.pki.purpose import Purpose
from agent.system.names import WILDCARD, is_address

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey

OPENSSL = "OpenSSL"
STRICT = "Python 3.13"
"""The first Python whose default is OpenSSL's X509_V_FLAG_X509_STRICT."""
CRYPTOGRAPHY = "Python's cryptography"
"""Follows the profile of the Web PKI (CA/Browser Forum) to the letter."""

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: OpenSSL would compare with the clock instead of `now`; the judge compares itself."""
AROUND = re.compile(r"^(?:validation failed: )?(?:candidates exhausted: )*|(?: \(encountered processing .*)?$")
FLIGHTS = 6
"""More flights of messages than a handshake has."""


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


def of_openssl(subject: Subject, *, strict: bool = False) -> str:
    """Return why OpenSSL refuses a path at any time, in its words; empty where it doesn't, or can't be asked."""
    if subject.key is None:
        return ""
    of_server = subject.purpose is Purpose.SERVER
    content = key_pem(subject.key) + b"".join(each.public_bytes(Encoding.PEM) for each in subject.presented)
    try:
        with _in_memory(content) as file:
            verifier = _verifier(subject.anchor, file, of_server=of_server, strict=strict)
            presenter = _presenter(file, of_server=of_server)
        _shake_hands(verifier, presenter, of_server=of_server)
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except (ssl.SSLError, OSError):  # of the handshake, not of the certificates
        return ""
    return ""


def _asked(name: str) -> x509.DNSName | x509.IPAddress:
    if is_address(name):
        return x509.IPAddress(ip_address(name))
    return x509.DNSName("www." + name.removeprefix(WILDCARD) if name.startswith(WILDCARD) else name)


def _verifier(anchor: x509.Certificate, file: str, *, of_server: bool, strict: bool) -> ssl.SSLContext:
    """Return the side that verifies: a client where the path is a server's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if of_server else ssl.PROTOCOL_TLS_SERVER)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=anchor.public_bytes(Encoding.DER))
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(NO_CHECK_TIME)
    if strict:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    if not of_server:  # a server has to have one, and nobody looks at it here
        context.load_cert_chain(file)
    return context


def _presenter(file: str, *, of_server: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if of_server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # what is too weak is for the other side to say
    context.load_cert_chain(file)
    return context


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Yield the path of a file that is on no disk and that only this process can open."""
    descriptor = os.memfd_create("chain")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _shake_hands(verifier: ssl.SSLContext, presenter: ssl.SSLContext, *, of_server: bool) -> None:
    """Let two sides talk until the verifying one is done. Raises `ssl.SSLError`."""
    to_verifier, to_presenter = ssl.MemoryBIO(), ssl.MemoryBIO()
    verifying = verifier.wrap_bio(to_verifier, to_presenter, server_side=not of_server)
    presenting = presenter.wrap_bio(to_presenter, to_verifier, server_side=of_server)
    for _ in range(FLIGHTS):
        for side in (presenting, verifying):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            if side is verifying:
                return
