"""The largest list that is fetched, with the shortest entries: it's read within bounds of memory and time."""

from __future__ import annotations

import resource
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.crl.fetching import LARGEST
from support.cas import certificates as toy_ca
from support.paths import CHECKOUT

ENTRY = bytes.fromhex("3012020101170d3236313130313132303030305a")
"""Serial number 1, at an instant, and nothing else."""
ECDSA = bytes.fromhex("300a06082a8648ce3d040302")
TIMES = b"\x17\x0d261101120000Z\x17\x0d271101120000Z"
MEMORY, SECONDS = 512 * 1024**2, 30
READER = """
import sys
from cryptography import x509
from agent.crl.revocation_list import read_list
size = int(sys.argv[1])
issuer = x509.load_pem_x509_certificate(sys.stdin.buffer.read(size))
found = read_list(sys.stdin.buffer.read(), issuer)
assert found.find(issuer, frozenset()) is None
print(found.size)
"""


def sequence(content: bytes, tag: bytes = b"\x30") -> bytes:
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8 or 1, "big")
    return tag + (bytes([len(content)]) if len(content) < 128 else bytes([0x80 | len(size)]) + size) + content


def largest_list(issuer: toy_ca.Party) -> bytes:
    """Return a list of nearly the largest size, which somebody's own CA has signed."""
    entries = sequence(ENTRY * ((LARGEST - 1000) // len(ENTRY)))
    tbs = sequence(b"\x02\x01\x01" + ECDSA + issuer.certificate.subject.public_bytes() + TIMES + entries)
    assert isinstance(issuer.key, ec.EllipticCurvePrivateKey)
    signature = issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return sequence(tbs + ECDSA + sequence(b"\x00" + signature, b"\x03"))


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def test_a_list_of_a_million_entries_is_read_in_little_memory_and_time() -> None:
    root = toy_ca.root()
    certificate = root.certificate.public_bytes(serialization.Encoding.PEM)
    body = largest_list(root)
    assert x509.load_der_x509_crl(body).get_revoked_certificate_by_serial_number(1)
    done = subprocess.run(
        [sys.executable, "-c", READER, str(len(certificate))],
        input=certificate + body,
        capture_output=True,
        cwd=CHECKOUT,
        preexec_fn=limited,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) == len(body) > 0.99 * LARGEST
