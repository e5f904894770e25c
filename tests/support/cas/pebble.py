"""Pebble, a real ACME CA for tests, on loopback: https://github.com/letsencrypt/pebble.

Tests get one from the fixtures of conftest.py:

- `pebble`: 2.10, shared by the tests of a process, which tell their orders apart by their names: it rejects no nonce, sleeps
  nowhere, and asks for each authorization again. Has ARI, one profile `classic` of 90 days, and ECDSA chains.
- `old_pebble`: 2.4 likewise: no ARI, no profiles, RSA chains of five years.
- `pebble_with(**options)`: one of a test's own; the options are the fields of `Options`. For whatever stops a CA or wants
  another behaviour.

What the CA validates is at `http_port` of the address that `dns` gives for a name: 127.0.0.1 for every name that isn't told
otherwise. Who answers there is the test's business: nginx, the product's own listener, or with ``answers=True`` the little
server that comes with Pebble, told by ``dns.answer(token, key_authorization)``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.cas import certificates as toy_ca
from support.cas.challtestsrv import NEW, Challtestsrv, program_of
from support.cas.program import Program, directly
from support.ports import free_port
from support.waiting import until

DAY = 86400


@dataclass(frozen=True)
class Profile:
    """A certificate profile, by the names of Pebble's configuration."""

    description: str
    validityPeriod: int  # noqa: N815
    """Seconds."""


CLASSIC = {"classic": Profile("90 days", 90 * DAY)}
THREE_PROFILES = {
    **CLASSIC,
    "tlsserver": Profile("45 days", 45 * DAY),
    "shortlived": Profile("160 hours", 160 * 3600),
}
"""An order that asks for none gets one of them at random."""


@dataclass(frozen=True)
class Options:
    """What a Pebble does; what is left alone here behaves well."""

    programs: Path = NEW
    """`challtestsrv.NEW` is 2.10, `challtestsrv.OLD` is 2.4."""
    nonce_reject: int = 0
    """Percent of the good nonces that are rejected."""
    authz_reuse: int = 0
    """Percent of the valid authorizations that a new order gets; Pebble counts one too many, so 0 is 1 of 100 all the same."""
    alternate_roots: int = 0
    chain_length: int = 1
    """Intermediates."""
    sleep: int = 0
    """Validation begins after 0 up to this many seconds, at random; Pebble's default is 5."""
    retry_after: int = 0
    """Seconds that answers ask to wait, at random as a number or as a date; 0: they don't."""
    eab: Mapping[str, str] = field(default_factory=dict)
    """Key id -> MAC key in base64url: accounts need an external account binding."""
    profiles: Mapping[str, Profile] = field(default_factory=lambda: CLASSIC)
    blocklist: Sequence[str] = ()
    """Domains for which the CA refuses orders: rejectedIdentifier."""
    caa_identities: Sequence[str] = ("pebble.test",)
    always_valid: bool = False
    """Nothing is validated."""
    dns_place: str = ""
    """ADDRESS:PORT of the DNS server that it asks; empty: its own `dns`."""
    answers: bool = False
    """Pebble's own server listens at `http_port`."""

    @property
    def configuration(self) -> dict[str, Any]:
        return {
            "keyAlgorithm": "ecdsa",
            "externalAccountBindingRequired": bool(self.eab),
            "externalAccountMACKeys": dict(self.eab),
            "domainBlocklist": list(self.blocklist),
            "caaIdentities": list(self.caa_identities),
            "retryAfter": {"authz": self.retry_after, "order": self.retry_after},
            "profiles": {name: asdict(profile) for name, profile in self.profiles.items()},
        }

    @property
    def environment(self) -> dict[str, str]:
        sleeping = {"PEBBLE_VA_SLEEPTIME": str(self.sleep)} if self.sleep else {"PEBBLE_VA_NOSLEEP": "1"}
        return {
            # Pebble locks an order twice to show it, and is stuck when its other thread wants to write between.
            "GOMAXPROCS": "1",
            **sleeping,
            "PEBBLE_VA_ALWAYS_VALID": "1" if self.always_valid else "0",
            "PEBBLE_WFE_NONCEREJECT": str(self.nonce_reject),
            "PEBBLE_AUTHZREUSE": str(self.authz_reuse),
            "PEBBLE_ALTERNATE_ROOTS": str(self.alternate_roots),
            "PEBBLE_CHAIN_LENGTH": str(self.chain_length),
        }


@dataclass(frozen=True)
class Ports:
    acme: int = field(default_factory=free_port)
    management: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)


class Pebble:
    """A CA with the DNS that it asks. Its state is in memory: what has been stopped knows nobody when it starts again."""

    def __init__(self, directory: Path, options: Options) -> None:
        """Start one whose files are in `directory`."""
        self.directory = directory
        self.options = options
        self.ports = Ports()
        self.trust_file = directory / "listener-root.pem"
        """What a client must trust to talk to the CA; not what its certificates end in, see `roots`."""
        self.log = directory / "pebble.log"
        self._mark = 0
        self._http = directly()
        self._http.verify = str(self.trust_file)
        self._write_files()
        self.dns = Challtestsrv(directory, options.programs, self.http_port if options.answers else None)
        argv = [
            program_of(options.programs, "pebble"),
            "-config",
            directory / "pebble.json",
            "-dnsserver",
            options.dns_place or self.dns.address,
        ]
        self._program = Program(
            self.log, argv, self.directory_url, environment=options.environment, trust=self.trust_file
        )
        try:
            self.start()
        except BaseException:
            self.dns.close()
            raise
        self.mark()

    # Where it is

    @property
    def directory_url(self) -> str:
        return f"https://127.0.0.1:{self.ports.acme}/dir"

    @property
    def management_url(self) -> str:
        return f"https://127.0.0.1:{self.ports.management}"

    @property
    def tls_port(self) -> int:
        return self.ports.tls

    @property
    def http_port(self) -> int:
        """Where HTTP-01 is validated."""
        return self.ports.http

    # What it does

    def start(self) -> None:
        """Start the CA, on the same ports as before, and wait until it answers."""
        self._program.start()

    def stop(self) -> None:
        """End the CA, not the DNS."""
        self._program.end()
        self._http.close()

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.dns.close()

    # What it has seen

    def mark(self) -> None:
        """Let `requests` begin here."""
        self._mark = self.log.stat().st_size

    def requests(self, path: str = "") -> list[str]:
        """Return what clients asked since `mark`, in order: ``POST /order-plz``. `path`: only requests for this one.

        Paths: /dir /nonce-plz /sign-me-up /my-account/ /order-plz /my-order/ /authZ/ /chalZ/ /finalize-order/ /certZ/
        /revoke-cert /rollover-account-key /draft-ietf-acme-ari-03/renewalInfo/. A rejected nonce's request is among them.
        """
        found = re.findall(r"((?:HEAD|GET|POST) (\S+)) -> calling handler", self._logged())
        return [request for request, where in found if not path or where == path]

    def _logged(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._mark)
            return log.read().decode(errors="replace")

    def wait_until_replaced(self) -> None:
        """Wait until it has noted that a chain was replaced, since `mark`: it does so after the order is valid already."""
        until(lambda: "has been marked as replaced" in self._logged(), what=self._logged)

    # What its management says

    def roots(self) -> list[str]:
        """Return the roots that its certificates can end in, PEM: that of the default chain first."""
        return [self._managed(f"roots/{number}") for number in range(self.options.alternate_roots + 1)]

    def intermediates(self) -> list[str]:
        """Return the intermediates that sign leaves, PEM, in the order of `roots`."""
        return [self._managed(f"intermediates/{number}") for number in range(self.options.alternate_roots + 1)]

    def status_of(self, serial: int) -> str:
        """Return ``Valid``, ``Revoked``, or nothing for a serial number that it never issued."""
        return str(self.certificate(serial).get("Status", ""))

    def certificate(self, serial: int) -> dict[str, Any]:
        """Return what it knows of a certificate: Status, Serial, Certificate, Reason, RevokedAt."""
        answer = self._http.get(f"{self.management_url}/cert-status-by-serial/{serial:x}", timeout=20)
        return dict(answer.json()) if answer.ok else {}

    def set_renewal_info(self, certificate: str, answer: str) -> None:
        """Let ARI answer just this for a certificate (PEM), whatever it is: `renewal_window` makes a proper one."""
        body = {"Certificate": certificate, "ARIResponse": answer}
        self._http.post(f"{self.management_url}/set-renewal-info/", json=body, timeout=20).raise_for_status()

    # Inside

    def _managed(self, path: str) -> str:
        answer = self._http.get(f"{self.management_url}/{path}", timeout=20)
        answer.raise_for_status()
        return answer.text

    def _write_files(self) -> None:
        now = datetime.now(UTC)
        root = toy_ca.root("Root of Pebble's listener", now=now)
        leaf = root.leaf("localhost", "127.0.0.1", now=now)
        self.trust_file.write_bytes(toy_ca.pem(root.certificate))
        (self.directory / "listener.pem").write_bytes(toy_ca.pem(leaf.certificate))
        (self.directory / "listener.key").write_bytes(toy_ca.key_pem(leaf.key))
        where = {
            "listenAddress": f"127.0.0.1:{self.ports.acme}",
            "managementListenAddress": f"127.0.0.1:{self.ports.management}",
            "certificate": str(self.directory / "listener.pem"),
            "privateKey": str(self.directory / "listener.key"),
            "httpPort": self.http_port,
            "tlsPort": self.ports.tls,
        }
        text = json.dumps({"pebble": {**where, **self.options.configuration}})
        (self.directory / "pebble.json").write_text(text)


def renewal_window(start: datetime, end: datetime, explanation: str = "") -> str:
    """Return an ARI answer (RFC 9773 section 4.2)."""
    window = {"start": start.isoformat(), "end": end.isoformat()}
    return json.dumps({"suggestedWindow": window, **({"explanationURL": explanation} if explanation else {})})
