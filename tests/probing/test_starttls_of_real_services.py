"""STARTTLS of services as Debian has them, each with OpenSSL's client as a second opinion."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from agent.testing.appliance import short_directory
from chainwright import Endpoint, Expected, ProbeFailed, StartTLS, TLSProbe
from support.servers import in_the_clear
from support.servers.local import Maker, Material

Service = Callable[..., AbstractContextManager[int]]
SERVICES = [
    (StartTLS.POSTGRES, in_the_clear.postgres),
    (StartTLS.LDAP, in_the_clear.slapd),
    (StartTLS.FTP, in_the_clear.vsftpd),
    (StartTLS.SIEVE, in_the_clear.managesieve),
]
REFUSALS = {
    StartTLS.POSTGRES: 'the SSLRequest was answered with "N": TLS is off',
    StartTLS.LDAP: 'StartTLS was answered with "protocolError (2): unsupported extended operation"',
    StartTLS.FTP: 'AUTH TLS was answered with "530 Please login with USER and PASS."',
    StartTLS.SIEVE: 'STARTTLS was answered with "NO "TLS support isn\'t enabled.""',
}


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return Maker(tmp_path).make()


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as place:
        yield place


def look(port: int, protocol: StartTLS) -> tuple[str, ...]:
    endpoint = Endpoint(port=port, server_name=in_the_clear.DOMAIN, starttls=protocol)
    return TLSProbe().look(endpoint, time.monotonic() + 20, Expected(fingerprints=(), generation=0)).fingerprints


def as_openssl_sees_it(port: int, protocol: StartTLS) -> str:
    """Return the SHA-256 of the leaf that ``openssl s_client`` gets."""
    name = ["-xmpphost", in_the_clear.DOMAIN] if protocol in {StartTLS.XMPP, StartTLS.XMPP_SERVER} else []
    client = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-starttls", protocol, *name]
    said = subprocess.run(client, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    digest = ["openssl", "x509", "-noout", "-fingerprint", "-sha256"]
    shown = subprocess.run(digest, input=said.stdout, capture_output=True, text=True, check=True).stdout
    return re.sub(r".*=|[:\s]", "", shown).lower()


def refusal(port: int, protocol: StartTLS) -> str:
    with pytest.raises(ProbeFailed) as caught:
        look(port, protocol)
    return caught.value.problem.cause.partition(" gives no proper answer: ")[2].removesuffix(".")


@pytest.mark.parametrize(("protocol", "service"), SERVICES)
def test_the_chain_of_a_real_service_is_seen(protocol: StartTLS, service: Service, directory, material):
    with service(directory, material) as port:
        assert look(port, protocol) == material.fingerprints
        assert as_openssl_sees_it(port, protocol) == material.fingerprints[0]


@pytest.mark.parametrize(("protocol", "service"), SERVICES)
def test_a_real_service_without_tls_is_told_in_its_own_words(protocol, service, directory, material):
    with service(directory, material, tls=False) as port:
        assert refusal(port, protocol) == REFUSALS[protocol]


def test_a_real_xmpp_server_is_seen_by_clients_and_by_servers(directory, material):
    with in_the_clear.prosody(directory, material) as (clients, servers):
        for port, protocol in [(clients, StartTLS.XMPP), (servers, StartTLS.XMPP_SERVER)]:
            assert look(port, protocol) == material.fingerprints
            assert as_openssl_sees_it(port, protocol) == material.fingerprints[0]


def test_a_real_xmpp_server_without_tls_is_told_in_its_own_words(directory, material):
    with in_the_clear.prosody(directory, material, tls=False) as (clients, _):
        words = "<undefined-condition/><text>No stream features to proceed with</text>"
        assert refusal(clients, StartTLS.XMPP) == f'the stream was answered with "<stream:error>{words}</stream:error>"'
