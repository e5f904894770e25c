"""The judge beside OpenSSL, GnuTLS and cryptography's verifier, on chains with random features.

``JUDGED=10000 pytest -n0 -s -k random`` tries more of them, and says what became of them.
"""

import os
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from subprocess import run

import pytest
from cryptography import x509
from cryptography.x509 import verification
from hypothesis import HealthCheck, given, note, settings

from agent.errors.chain import ChainError, ClientsRefuse
from agent.pki.chain import Chain, Purpose
from agent.pki.judge import judge
from agent.pki.judgement import Judgement, Objection
from support.cas.certificates import general, pem
from support.cas.random_chains import RandomChain, random_chains

TRIES = int(os.environ.get("JUDGED", "250"))
NOW = datetime.now(UTC).replace(microsecond=0)
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"


def judged(found: RandomChain) -> Judgement:
    try:
        chain = Chain(key=found.leaf.key, leaf=found.presented[0], intermediates=found.presented[1:])
    except ChainError as error:
        return Judgement((Objection.of(error, ""),))
    return judge(chain, purpose=Purpose.SERVER, now=NOW, anchors=[found.root.certificate])


class Clients:
    """Verifiers that are independent of the agent. Each returns its words where it refuses a chain."""

    def __init__(self, directory: Path) -> None:
        self._root, self._leaf, self._others = (directory / name for name in ("root.pem", "leaf.pem", "others.pem"))

    def refusing(self, found: RandomChain) -> dict[str, str]:
        """Return what they say, the quickest first; not all are asked where one accepts the chain."""
        said = {}
        for client in (self.cryptography, self.openssl, self.gnutls):
            words = client(found)
            if not words:
                return {}
            said[client.__name__] = words
        return said

    def accepting(self, found: RandomChain) -> bool:
        """Whether all of them accept it."""
        return not any(client(found) for client in (self.cryptography, self.openssl, self.gnutls))

    def cryptography(self, found: RandomChain) -> str:
        name = general(found.asked)
        builder = verification.PolicyBuilder().store(verification.Store([found.root.certificate])).time(NOW)
        try:
            builder.build_server_verifier(name).verify(found.presented[0], list(found.presented[1:]))
        except (verification.VerificationError, ValueError, TypeError) as error:
            return str(error)
        return ""

    def openssl(self, found: RandomChain) -> str:
        self._write(found)
        name = general(found.asked)
        how = "-verify_ip" if isinstance(name, x509.IPAddress) else "-verify_hostname"
        between = ["-untrusted", self._others] if found.intermediates else []
        files = ["-CAfile", self._root, *between, self._leaf]
        command = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-auth_level", "2"]
        command += ["-attime", str(int(NOW.timestamp())), how, found.asked, *files]
        done = run(command, capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else ""

    def gnutls(self, found: RandomChain) -> str:
        self._write(found)
        self._leaf.write_bytes(pem(*found.presented))
        command = ["certtool", "--verify", "--load-ca-certificate", self._root, "--infile", self._leaf]
        command += ["--verify-purpose", SERVER_AUTH, "--verify-hostname", found.asked]
        done = run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr if done.returncode else ""

    def _write(self, found: RandomChain) -> None:
        self._root.write_bytes(pem(found.root.certificate))
        self._leaf.write_bytes(pem(found.presented[0]))
        self._others.write_bytes(pem(*found.presented[1:]))


@pytest.fixture(scope="module")
def clients(tmp_path_factory) -> Clients:
    return Clients(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def tally():
    """Count what became of the chains, to be read by whoever tries many."""
    counted = Counter[str]()
    yield counted
    with suppress(ValueError):
        print(*(f"{number:6} {what}" for what, number in counted.most_common()), sep="\n")


@pytest.mark.timeout(120 + TRIES // 4)
@settings(max_examples=TRIES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(found=random_chains(NOW))
def test_a_random_chain_is_never_accepted_where_all_clients_refuse_it(clients: Clients, tally, found: RandomChain):
    judgement = judged(found)
    for each in (*judgement.refused, *judgement.warnings):
        note(f"{each.code}: {each.sentence}")
    if judgement.good and judgement.complete:
        tally["accepted"] += 1
        said = clients.refusing(found)
        assert not said, said
    else:
        tally["refused"] += 1
        first = next(iter(judgement.refused), None)
        tally[
            f"  {first.error.problem.cause if first and isinstance(first.error, ClientsRefuse) else first and first.code}"
        ] += 1
        assert not clients.accepting(found)
