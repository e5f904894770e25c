"""A service is reconfigured by somebody else: what was deployed is in force again, or it is said what is served instead."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from faulty import Faulty
from subjects import IKEv2, Mail, ReverseProxy

from agent.model.events import EventKind
from plugins.ikev2.vici_socket import plain, session
from support.appliances.deployed import run_quietly
from support.appliances.mailed import DOVECOT
from support.appliances.proxied import NGINX
from support.cas import certificates as toy_ca
from support.waiting import until


def of(*subjects: type) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shared", subjects, indirect=True, ids=lambda each: each.name)


def foreign(box: Faulty, name: str) -> Path:
    """Return a file with somebody else's key and certificate."""
    made = toy_ca.root("Somebody's CA", now=box.clock())
    path = box.root / "theirs.pem"
    path.write_bytes(toy_ca.key_pem(made.key) + toy_ca.pem(made.certificate))
    assert ssl.create_default_context().load_cert_chain(path) is None, name
    return path


@of(IKEv2)
def test_connections_and_keys_that_somebody_has_unloaded_from_charon_are_loaded_again(box):
    neighbour, expected = box.neighbour(), box.expected(box.bound())
    with session(box.layout.run / "charon.vici") as charon:
        for name in plain(charon.get_conns()["conns"]):
            charon.unload_conn({"name": name})
        for key in plain(charon.get_keys()["keys"]):
            charon.unload_key({"id": key})
    box.engine().run_pass(wait=0)
    assert box.wire() == expected
    assert [each.kind for each in box.events if each.kind is EventKind.DRIFT] == [EventKind.DRIFT]
    assert box.neighbour() == neighbour
    assert box.told("ok") is None


@of(Mail)
def test_a_main_cf_that_somebody_has_edited_is_put_back(box):
    neighbour, expected = box.neighbour(), box.expected(box.bound())
    main = box.layout.module("mail").live / "postfix"
    theirs = foreign(box, "mail")
    subprocess.run(
        ["/usr/sbin/postconf", "-c", str(main), "-e", f"smtpd_tls_chain_files={theirs}", "tls_server_sni_maps="],
        check=True,
    )
    subprocess.run(["/usr/sbin/postfix", "-c", str(main), "reload"], check=True, capture_output=True)
    until(lambda: box.wire() != expected, what="what somebody else has configured is served")
    box.look()
    until(lambda: box.wire() == expected, what="what was deployed is served again")
    assert box.neighbour() == neighbour
    assert box.told("ok") is None


@of(ReverseProxy)
def test_an_nginx_that_somebody_has_started_with_another_file_is_told_of_by_its_certificate(box):
    neighbour, expected = box.neighbour(), box.expected(box.bound())
    theirs, pid_file = foreign(box, "proxy"), box.layout.run / "nginx.pid"
    other = box.root / "theirs.conf"
    other.write_text(
        f"pid {pid_file};\nevents {{}}\nhttp {{ server {{ listen 127.0.0.1:{box.subject.port} ssl;"
        f" ssl_certificate {theirs}; ssl_certificate_key {theirs}; access_log off; }} }}\n"
    )
    box.patience(1)
    box.kill()
    run_quietly(NGINX, "-e", "stderr", "-c", other)
    until(lambda: box.wire() != expected, what="what somebody else has configured is served")
    box.look()
    assert "serves the chain" in box.told("broken")["cause"]
    (drift,) = [each.text for each in box.events if each.kind is EventKind.DRIFT]
    assert drift.startswith("Somebody else's certificate is served at")
    assert "nginx (pid" in drift
    (finding,) = box.findings("nginx:main file")
    assert finding["problem"]["cause"] == (
        f"The nginx that runs (pid {pid_file.read_text().strip()}) was started with {other},"
        f" not with {box.layout.service('nginx').live / 'nginx.conf'}: it serves nothing of the agent's."
    )
    assert box.neighbour() == neighbour
    box.kill()
    box.subject.start()
    box.try_again()
    assert box.wire() == expected
    assert box.told("ok") is None
    assert box.findings("nginx:main file") == []


@of(ReverseProxy)
def test_an_nginx_that_somebody_has_had_read_another_configuration_is_reloaded_within_the_minute(box):
    """Its main file was another one for a moment: the file is right again, and what runs is not."""
    neighbour, expected = box.neighbour(), box.expected(box.bound())
    main = box.layout.service("nginx").live / "nginx.conf"
    right, mode = main.read_bytes(), main.stat().st_mode
    main.unlink()
    main.write_text(f"pid {box.layout.run / 'nginx.pid'};\nevents {{}}\n")
    run_quietly(NGINX, "-e", "stderr", "-c", main, "-s", "reload")
    until(lambda: box.wire() != expected, what="nothing of ours is served")
    main.unlink()
    main.write_bytes(right)
    main.chmod(mode)
    box.clock.advance(minutes=1)
    box.engine().run_pass(wait=0)
    until(lambda: box.wire() == expected, what="what was deployed is served again")
    (drift,) = [each.text for each in box.events if each.kind is EventKind.DRIFT]
    assert drift == "nginx: nginx runs a configuration without the agent's part; it is loaded again"
    assert box.neighbour() == neighbour
    assert box.told("ok") is None


@of(Mail)
def test_a_dovecot_conf_that_somebody_has_edited_is_put_back(box):
    neighbour, expected = box.neighbour(), box.expected(box.bound())
    main, theirs = box.layout.service("dovecot").live / "dovecot.conf", foreign(box, "mail")
    names = (
        ("ssl_server_cert_file = ", "ssl_server_key_file = ") if DOVECOT == "2.4" else ("ssl_cert = <", "ssl_key = <")
    )
    text = main.read_text()
    main.unlink()  # another name of it is in another generation
    main.write_text(text + "".join(f"{each}{theirs}\n" for each in names))
    subprocess.run(["/usr/bin/doveadm", "-c", main, "reload"], check=True, capture_output=True)
    until(lambda: box.wire() != expected, what="what somebody else has configured is served")
    box.look()
    until(lambda: box.wire() == expected, what="what was deployed is served again")
    assert box.neighbour() == neighbour
    assert box.told("ok") is None
