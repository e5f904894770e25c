"""Mail in the demo appliance: postfix and dovecot beside the other modules."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.contract.endpoint import StartTLS
from agent.demo.modules import HOST_NAME, MAIL_PORTS, OFFERS, dovecot_version
from agent.demo.processes import PID_FILES
from agent.demo.requirements import missing_requirement
from agent.probing.plain_stream import PlainStream
from agent.probing.starttls import begin
from support.cas import certificates as toy_ca
from support.processes.demo import SITES, Demo, DemoProcess
from support.waiting import until

pytestmark = pytest.mark.root
STARTTLS = {"smtp": StartTLS.SMTP, "submission": StartTLS.SMTP, "imap": StartTLS.IMAP, "pop3": StartTLS.POP3}
NAMES = [f"mail.{HOST_NAME}", f"post.{HOST_NAME}"]
WILDCARD = f"*.{HOST_NAME}"
SLOTS = len(SITES) + 1 + len(NAMES)
"""With a name that the wildcard covers: sites, the login page, mail."""
ROOT, NOBODY = 0, 65534
(MAIL,) = [each for each in OFFERS if each.module == "mail"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of a short name that the daemons may enter: below it stand sockets."""
    with TemporaryDirectory(prefix="cw-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def demo(place) -> Demo:
    return Demo(place / "var", postfix="postfix")


def ports_of_mail(running: DemoProcess) -> dict[str, int]:
    """Return the ports that the guide names."""
    (line,) = [each for each in running.lines if each.startswith("  mail ")]
    assert line.split(":")[0].split()[1:] == [NAMES[0], "and", NAMES[1]]
    return {protocol: int(port) for protocol, port in (each.split() for each in line.split(": ")[1].split(", "))}


def issuer(demo: Demo, protocol: str, port: int, name: str, trust: Path | None = None) -> str:
    """Return the CN of the leaf's issuer; nothing is trusted but the demo's roots, or those in `trust`."""
    context = ssl.create_default_context(cafile=trust or demo.root / "roots.pem")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        if protocol in STARTTLS:
            begin(PlainStream(plain, protocol, time.monotonic() + 20), STARTTLS[protocol], "localhost")
        plain.settimeout(20)
        with context.wrap_socket(plain, server_hostname=name) as stream:
            return dict(each[0] for each in stream.getpeercert()["issuer"])["commonName"]


def issuers(demo: Demo, running: DemoProcess, trust: Path | None = None) -> set[str]:
    return {
        issuer(demo, protocol, port, name, trust) for protocol, port in ports_of_mail(running).items() for name in NAMES
    }


def test_mail_is_shown_beside_the_others_and_seen_through_every_listener(demo):
    with demo.up(str(demo.port)) as running:
        assert set(ports_of_mail(running)) == set(MAIL_PORTS)
        assert issuers(demo, running) == {f"{HOST_NAME} Root CA"}
        assert any("seen to be served by mail, reverse_proxy, web_auth and webui." in line for line in running.lines)
        assert len(running.curls()) == 3
        assert running.ends() == 0
        assert demo.processes() == []
        assert not any(demo.layout.rooted(each).exists() for each in PID_FILES.values())
    with demo.up() as running:
        assert issuers(demo, running) == {f"{HOST_NAME} Root CA"}


def test_one_uploaded_wildcard_serves_every_name_and_its_deletion_brings_back_what_was_there(demo, place):
    now = datetime.now(UTC)
    root = toy_ca.root(now=now)
    leaf = root.leaf(WILDCARD, now=now)
    file, trust = place / "wildcard.pem", place / "trust.pem"
    file.write_bytes(toy_ca.pem(leaf.certificate, root.certificate) + toy_ca.key_pem(leaf.key))
    trust.write_bytes(toy_ca.pem(root.certificate))
    with demo.up(str(demo.port)) as running:
        done = demo.call("upload", str(file))
        assert done.returncode == 0, done.stderr
        assert demo.call("apply").returncode == 0
        assert len([line for line in (done.stdout + done.stderr).splitlines() if f"by {WILDCARD}" in line]) == SLOTS
        assert len(issuers(demo, running, trust)) == 1
        for url in [*running.urls("reverse_proxy"), *running.urls("web_auth")]:
            assert demo.fetch(url, trust=trust)
        assert demo.call("delete", WILDCARD, "--yes").returncode == 0
        assert demo.call("apply").returncode == 0
        assert issuers(demo, running) == {f"{HOST_NAME} Root CA"}
        for url in [*running.urls("reverse_proxy"), *running.urls("web_auth")]:
            assert demo.fetch(url)


def test_what_a_killed_demo_has_left_of_mail_is_ended_by_the_next_one(demo):
    with demo.up(str(demo.port)) as running:
        running.process.kill()
        running.process.wait()
        with demo.up() as again:
            assert again.lines[0] == "Ended what an earlier demo had left: dovecot, nginx, postfix, webui."
            until(lambda: issuers(demo, again), what="mail")


def test_without_its_programs_it_is_named_with_the_way_to_get_them(place):
    bare = Demo(place / "var", "no-such-program", postfix="no-such-postfix")
    with bare.up(str(bare.port)) as running:
        assert (
            "mail is not shown: there is no no-such-postfix on this machine "
            "(apt-get install postfix dovecot-imapd dovecot-pop3d, adds it)." in running.lines
        )
        assert not (bare.layout.conf_d / "mail.toml").exists()


def test_in_a_directory_that_the_daemons_can_not_enter_it_is_not_shown(place):
    place.chmod(0o700)
    found = missing_requirement(MAIL, place / "var", ROOT)
    assert found is not None
    assert found.reason == f"{place} is closed to the users as which postfix works"
    place.chmod(0o755)
    assert missing_requirement(MAIL, place / "var", ROOT) is None


def test_it_is_not_shown_to_who_can_not_start_it(place):
    found = missing_requirement(MAIL, place / "var", NOBODY)
    assert found is not None
    assert found.reason == "only root can start postfix"


@pytest.mark.parametrize(
    ("says", "version"), [("2.3.19.1 (9b53102964)", "2.3"), ("2.4.1-4 (7d8c0e5759)", "2.4"), ("dovecot", "2.3")]
)
def test_dovecot_gets_the_settings_of_its_version(tmp_path: Path, says: str, version: str):
    program = tmp_path / "dovecot"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    assert dovecot_version(str(program)) == version


def test_a_dovecot_that_is_not_there_counts_as_the_older_one(tmp_path: Path):
    assert dovecot_version(str(tmp_path / "dovecot")) == "2.3"
