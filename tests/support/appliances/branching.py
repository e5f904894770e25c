"""An appliance that is the head office of branches, and what a branch has: a key, and openssl to verify with."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from agent.model.peer import Peer
from agent.operations.peers import sign
from agent.operations.revocation import revoke_signed
from agent.pki.chain import Purpose
from agent.pki.revocation import RevocationReason
from support.appliances.deployed import Deployed

BOTH = (Purpose.SERVER, Purpose.CLIENT)
SETTINGS = 'hostname = "gw"\n[modules.branches]\ndomain = "office.example.test"\nup = "{up}"\n'


def request() -> bytes:
    """Return a branch's request."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


@dataclass
class HeadOffice:
    """The appliance with the module `branches`."""

    appliance: Deployed
    requests: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.up = self.appliance.root / "up"
        self.up.write_text("")
        self.appliance.drop_in("branches")
        self.settings()
        self.appliance.apply()

    def settings(self, more: str = "") -> None:
        self.appliance.settings(SETTINGS.format(up=self.up) + more)

    @property
    def live(self) -> Path:
        return self.appliance.live("branches")

    def sign(self, label: str, csr: bytes = b"") -> str:
        """Have a branch signed; return the serial number."""
        self.requests[label] = csr or request()
        names, now = [f"{label}.example.test"], self.appliance.clock()
        made = sign(
            self.appliance.layout,
            self.requests[label],
            names,
            module="branches",
            label=label,
            now=now,
            purposes=BOTH,
        )
        return made.serial

    def peers(self) -> list[Peer]:
        with self.appliance.store() as store:
            return store.peers.all()

    def certificate(self, serial: str) -> x509.Certificate:
        with self.appliance.store() as store:
            peer = store.peers.find(serial)
            assert peer is not None
            return x509.load_pem_x509_certificate(store.peers.certificates(peer.sha256).encode())

    def revoke(self, serial: str, reason: RevocationReason = RevocationReason.UNSPECIFIED) -> None:
        self.appliance.change(revoke_signed, serial, reason)

    def crl(self) -> x509.CertificateRevocationList:
        """Return the list in the files of the module."""
        return x509.load_pem_x509_crl((self.live / "root.crl").read_bytes())

    def verdict(self, serial: str) -> str:
        """Return what openssl says of a branch's certificate with the root and the list that the module was given."""
        leaf = self.appliance.root / "leaf.pem"
        leaf.write_bytes(self.certificate(serial).public_bytes(Encoding.PEM))
        at = str(int(self.appliance.clock().timestamp()))
        words = ["-crl_check", "-attime", at, "-CAfile", "root.pem", "-CRLfile", "root.crl", str(leaf)]
        done = subprocess.run(
            ["openssl", "verify", *words], cwd=self.live, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout.strip().removeprefix(f"{leaf}: ") if done.returncode == 0 else done.stderr
