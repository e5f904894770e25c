"""acme2certifier, a real ACME CA that shares no code with Pebble: https://github.com/grindsted/acme2certifier.

Tests get one from the fixture `acme2certifier`, or with options of their own from `acme2certifier_with(**options)`. It is as a
company's CA is: plain HTTP on loopback, no account without a contact, a chain to a root of its own, state that outlives a
restart. It validates at `http_port` of the addresses that `dns` gives for a name, as Pebble does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from support.cas import certificates as toy_ca
from support.cas.challtestsrv import CHECKOUT, Challtestsrv
from support.cas.program import Program
from support.ports import free_port

PYTHON = CHECKOUT / ".test/acme2certifier/bin/python"
IS_UP = "/is-it-up"
SERVER = Path(__file__).with_name("acme2certifier_server.py")


@dataclass(frozen=True)
class CertifierOptions:
    """What it does; what is left alone here behaves well."""

    days: int = 30
    """Lifetime of certificates."""
    profiles: Mapping[str, str] = field(default_factory=dict)
    """Name -> URL of its description; empty: it knows none and takes any."""
    renew_now: bool = False
    """ARI suggests a window that has begun."""
    renewal_at: int = 66
    """ARI's window begins after this many percent of the lifetime, and goes on to its end."""
    eab: Mapping[str, str] = field(default_factory=dict)
    """Key id -> MAC key in base64url: accounts need an external account binding."""
    dns_place: str = ""
    """127.0.0.1:PORT of the DNS server that it asks; empty: its own `dns`."""
    persist_issuer: str = ""
    """Its name in records of dns-persist-01, which it offers then, for wildcards too."""
    answers: bool = False
    """The little server of `dns` listens at `http_port`."""


class Acme2Certifier:
    """A CA with the DNS that it asks."""

    def __init__(self, directory: Path, options: CertifierOptions) -> None:
        """Start one whose files are in `directory`."""
        assert PYTHON.exists(), f"there is no {PYTHON}: ./test brings it"
        self.directory = directory
        self.port = free_port()
        self.http_port = free_port()
        self.log = directory / "acme2certifier.log"
        self.root_file = directory / "root.pem"
        """What its certificates end in."""
        self._mark = 0
        self._write_chain()
        self.dns = Challtestsrv(directory, http_port=self.http_port if options.answers else None)
        self._configure(options)
        dns_port = options.dns_place.rpartition(":")[2] or self.dns.port
        argv = [PYTHON, "-P", SERVER, self.port, dns_port, self.http_port]
        environment = {"ACME_SRV_CONFIGFILE": str(directory / "acme_srv.cfg"), "TZ": os.environ.get("TZ", "UTC")}
        self._program = Program(self.log, argv, f"http://127.0.0.1:{self.port}{IS_UP}", environment=environment)
        try:
            self.start()
        except BaseException:
            self.dns.close()
            raise
        self.mark()

    @property
    def directory_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/directory"

    def roots(self) -> list[str]:
        """Return the roots of its chains, as PEM."""
        return [self.root_file.read_text()]

    def start(self) -> None:
        """Start it where it was, with what it knew."""
        self._program.start()

    def stop(self) -> None:
        """End the CA, not the DNS."""
        self._program.end()

    def start_again(self, options: CertifierOptions) -> None:
        """Start it with other options, and with what it knew."""
        self.stop()
        self._configure(options)
        self.start()

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.dns.close()

    def mark(self) -> None:
        """Let `requests` begin here."""
        self._mark = self.log.stat().st_size

    def requests(self, path: str = "") -> list[str]:
        """Return what clients asked since `mark`, in order: ``POST /acme/neworders``. `path`: only what begins like this.

        Paths: /directory /acme/newnonce /acme/newaccount /acme/acct/ /acme/neworders /acme/order/ /acme/authz/ /acme/chall/
        /acme/cert/ /acme/revokecert /acme/key-change /acme/renewal-info/. To finalize is /acme/order/NAME/finalize. A request
        is logged a moment after it's answered.
        """
        with self.log.open("rb") as log:
            log.seek(self._mark)
            found = re.findall(r'"((?:HEAD|GET|POST) (\S+)) HTTP/', log.read().decode(errors="replace"))
        return [request for request, where in found if where.startswith(path) and where != IS_UP]

    # Inside

    def _write_chain(self) -> None:
        (self.directory / "issued").mkdir()
        now = datetime.now(UTC)
        root = toy_ca.root("Root of acme2certifier", now=now)
        issuing = root.authority("Issuing CA of acme2certifier", now=now, days=3000)
        self.root_file.write_bytes(toy_ca.pem(root.certificate))
        (self.directory / "issuing.pem").write_bytes(toy_ca.pem(issuing.certificate))
        (self.directory / "issuing.key").write_bytes(toy_ca.key_pem(issuing.key))

    def _configure(self, options: CertifierOptions) -> None:
        here = self.directory
        parser = RawConfigParser()
        parser.optionxform = str  # type: ignore[method-assign,assignment]
        parser["DEFAULT"] = {"dns_server_list": '["127.0.0.1"]'}
        parser["DBhandler"] = {"handler": "wsgi", "dbfile": f"{here}/acme_srv.db"}
        parser["CAhandler"] = {
            "handler_module": "acme2certifier.cahandlers.openssl_ca_handler",
            "issuing_ca_key": f"{here}/issuing.key",
            "issuing_ca_cert": f"{here}/issuing.pem",
            "issuing_ca_crl": f"{here}/issuing.crl",  # made by the first revocation
            "ca_cert_chain_list": "[]",
            "cert_validity_days": str(options.days),
            "cert_save_path": f"{here}/issued",
        }
        parser["Renewalinfo"] = {
            "renewal_force": str(options.renew_now),
            "renewalthreshold_pctg": str(options.renewal_at),
        }
        if options.persist_issuer:
            parser["Directory"] = {"caaidentities": json.dumps([options.persist_issuer])}
            parser["Challenge"] = {"dns_persist_01_support": "True", "dns_persist_allow_policy_wildcard": "True"}
        if options.profiles:
            parser["Order"] = {"profiles": json.dumps(dict(options.profiles))}
        if options.eab:
            (here / "eab.json").write_text(json.dumps(dict(options.eab)))
            parser["EABhandler"] = {
                "eab_handler_file": "eab_handler",
                "eab_handler_module": "acme2certifier.eabhandlers.json_handler",
                "key_file": f"{here}/eab.json",
            }
        with (here / "acme_srv.cfg").open("w") as file:
            parser.write(file)
