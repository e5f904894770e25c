import gc
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from agent.contract.endpoint import Address
from agent.probing.connection import connected, secured
from agent.probing.handshake import lenient_context
from agent.probing.probe import Prober, mismatch
from chainwright import Endpoint, Expected, KeyType, Probe, ProbeFailed, Served, StartTLS, TLSProbe
from support.cas import certificates as toy_ca
from support.servers.local import Maker, Material, listening, saying, securing
from support.waiting import until

ANY = Expected(fingerprints=(), generation=0)
NAME = "gw.example.test"


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


@pytest.fixture
def material(maker: Maker) -> Material:
    return maker.make()


@contextmanager
def serving(context: ssl.SSLContext, **options) -> Iterator[Endpoint]:
    with listening(securing(lambda: context), **options) as server:
        yield Endpoint(
            port=server.port, server_name=NAME, host=options.get("host", "127.0.0.1"), path=options.get("path")
        )


def look(endpoint: Endpoint, probe: Probe | None = None, seconds: float = 10) -> Served:
    return (probe or TLSProbe()).look(endpoint, time.monotonic() + seconds, ANY)


def failure(endpoint: Endpoint, seconds: float = 10) -> ProbeFailed:
    with pytest.raises(ProbeFailed) as caught:
        look(endpoint, seconds=seconds)
    assert caught.value.problem.where == str(endpoint)
    return caught.value


def reason(endpoint: Endpoint, seconds: float = 10) -> str:
    error = failure(endpoint, seconds)
    assert not error.dead
    return error.problem.cause.partition(" gives no proper answer: ")[2]


# What is presented


@pytest.mark.parametrize("where", [{"host": "127.0.0.1"}, {"host": "::1"}, {"path": "socket"}], ids=str)
def test_leaf_and_intermediates_are_seen_in_the_order_in_which_they_are_sent(where, material, tmp_path):
    where = {"path": tmp_path / "s"} if "path" in where else where
    with serving(material.context(), **where) as endpoint:
        assert look(endpoint) == Served(fingerprints=material.fingerprints, generation=None)


def test_openssls_own_server_is_seen_too(material):
    files = ["-cert", material.leaf_file, "-cert_chain", material.intermediates_file, "-key", material.key_file]
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", *files]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = next(line.rpartition(":")[2] for line in server.stdout if line.startswith("ACCEPT 127.0.0.1:"))
            assert look(Endpoint(port=int(port))).fingerprints == material.fingerprints
        finally:
            server.kill()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_will_do(version, material):
    context = material.context()
    context.minimum_version = context.maximum_version = version
    with serving(context) as endpoint:
        assert look(endpoint).fingerprints == material.fingerprints


@pytest.mark.parametrize(("name", "sent"), [(NAME, NAME), ("", None), ("192.0.2.1", None), ("2001:db8::1", None)])
def test_a_name_is_sent_as_sni_and_an_address_is_not(name, sent, material):
    seen = []
    context = material.context()
    context.sni_callback = lambda stream, asked, context: seen.append(asked)
    with serving(context) as endpoint:
        look(Endpoint(port=endpoint.port, server_name=name))
    assert seen == [sent]


def test_every_look_is_a_full_handshake(material):
    reused = []
    with listening(securing(material.context, lambda stream: reused.append(stream.session_reused))) as server:
        probe = TLSProbe()
        for _ in range(3):
            look(Endpoint(port=server.port, server_name=NAME), probe)
    assert reused == [False, False, False]


def test_the_rsa_and_the_ecdsa_chain_of_one_service_can_both_be_seen(maker):
    ecdsa, rsa = maker.make(), maker.make(key=toy_ca.rsa_key())
    context = ecdsa.context()
    context.load_cert_chain(rsa.chain_file, rsa.key_file)
    with serving(context) as endpoint:
        assert look(endpoint, TLSProbe(key_type=KeyType.RSA_2048)).fingerprints == rsa.fingerprints
        assert look(endpoint, TLSProbe(key_type=KeyType.ECDSA_P256)).fingerprints == ecdsa.fingerprints


def test_a_key_too_weak_for_the_systems_policy_is_seen_all_the_same(maker, tmp_path):
    weak = maker.make(key=toy_ca.rsa_key(1024))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(weak.chain_file, weak.key_file)
    policy = tmp_path / "openssl.cnf"
    policy.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = strict\n"
        "[strict]\nMinProtocol = TLSv1.2\nCipherString = DEFAULT:@SECLEVEL=2\n"
    )
    program = (
        "import sys, time, chainwright\n"
        "endpoint = chainwright.Endpoint(port=int(sys.argv[1]))\n"
        "expected = chainwright.Expected(fingerprints=(), generation=0)\n"
        "served = chainwright.TLSProbe().look(endpoint, time.monotonic() + 10, expected)\n"
        "print(*served.fingerprints)\n"
    )
    with serving(context) as endpoint:
        seen = subprocess.run(
            [sys.executable, "-c", program, str(endpoint.port)],
            env={**os.environ, "OPENSSL_CONF": str(policy), "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        )
    assert seen.stdout.split() == list(weak.fingerprints)


# No proper answer


def test_a_port_on_which_nobody_listens_is_dead():
    with socket.socket() as bound:  # so that nobody else takes the port
        bound.bind(("127.0.0.1", 0))
        error = failure(Endpoint(port=bound.getsockname()[1], server_name=NAME))
    assert error.dead
    assert error.problem.cause.endswith(f"{NAME}) gives no proper answer: nobody listens there (connection refused).")


def test_a_socket_that_is_not_there_or_left_over_is_dead(tmp_path):
    missing = failure(Endpoint(path=tmp_path / "missing"))
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "old"))
    stale = failure(Endpoint(path=tmp_path / "old"))
    assert missing.dead
    assert "nobody listens there (no such socket)" in str(missing)
    assert stale.dead
    assert "nobody listens there (connection refused)" in str(stale)


def test_a_host_that_is_no_host_is_an_error_but_not_a_dead_service():
    assert reason(Endpoint(port=443, host="gw.invalid.")).startswith("its host can't be resolved (")


@pytest.mark.parametrize("starttls", [None, StartTLS.SMTP])
def test_a_service_that_says_nothing_is_left_after_the_deadline(starttls):
    with listening(lambda connection: connection.recv(10_000) and connection.recv(1)) as server:
        assert reason(Endpoint(port=server.port, starttls=starttls), seconds=0.3) == "no answer within 0.3 s."


def test_a_service_that_drips_is_left_after_the_deadline():
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not ended.wait(0.02):
            connection.sendall(b"2")

    with listening(drip) as server:
        assert reason(Endpoint(port=server.port, starttls=StartTLS.SMTP), seconds=0.3) == "no answer within 0.3 s."
        ended.set()


def test_a_deadline_that_has_passed_is_no_crash(material):
    with serving(material.context()) as endpoint:
        assert reason(endpoint, seconds=-1) == "no answer within 0.0 s."


def test_a_connection_that_is_reset_is_told_from_one_that_is_closed():
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with listening(reset) as server:
        assert reason(Endpoint(port=server.port)) == "the service closed the connection."
    with listening(lambda connection: connection.recv(10_000)) as server:
        assert reason(Endpoint(port=server.port)) == "the service closed the connection during the handshake."


def test_a_connection_that_is_reset_at_once_is_closed_whenever_that_is_noticed():
    """The peer of some is gone before it is asked for its name; what is not closed then is a ResourceWarning."""
    deadline = time.monotonic() + 60
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        resetting(listener),
        warnings.catch_warnings(record=True) as found,
    ):
        warnings.simplefilter("always")
        host, port = listener.getsockname()
        address = Address(host=host, port=port)
        for _ in range(1000):
            with suppress(OSError), connected(address, deadline):
                pass
        gc.collect()
    assert [str(each.message) for each in found] == []


def test_a_connection_that_was_reset_before_its_handshake_is_closed():
    """The module `ssl` raises there without closing the socket that it has made."""
    with socket.create_server(("127.0.0.1", 0)) as listener, warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        plain = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()
        until(lambda: not has_peer(plain))
        with pytest.raises(ConnectionResetError), secured(plain, lenient_context(), "", time.monotonic() + 60):
            pass
        gc.collect()
    assert [str(each.message) for each in found] == []


def has_peer(plain: socket.socket) -> bool:
    try:
        plain.getpeername()
    except OSError:
        return False
    return True


@contextmanager
def resetting(listener: socket.socket) -> Iterator[None]:
    """Reset each connection as soon as it is there."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # what is accepted inherits it

    def serve() -> None:
        with suppress(OSError):
            while True:
                listener.accept()[0].close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("text", ["220 mx.example.test ESMTP\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_service_that_speaks_in_the_clear_is_not_tls(text):
    def speak(connection: socket.socket) -> None:
        connection.sendall(text.encode())
        connection.recv(10_000)

    with listening(speak) as server:
        assert reason(Endpoint(port=server.port)) == "what answers is not TLS."


def test_an_unknown_name_and_a_missing_key_type_are_alerts_with_their_names(material):
    context = material.context()
    context.sni_callback = lambda stream, name, context: (
        None if name == NAME else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    )
    with serving(context) as endpoint:
        assert (
            reason(Endpoint(port=endpoint.port, server_name="other.example.test"))
            == "the handshake failed: alert unrecognized_name."
        )
        with pytest.raises(ProbeFailed, match=re.escape("the handshake failed: alert handshake_failure")):
            look(endpoint, TLSProbe(key_type=KeyType.RSA_2048))


# The generation


def http(*answers: str, status: str = "200 OK"):
    turns = iter(answers)

    def handle(connection: socket.socket) -> None:
        answer = next(turns)
        assert connection.recv(10_000).startswith(b"GET /generation HTTP/1.1\r\n")
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())

    return handle


@pytest.mark.parametrize("answer", ['{"generation": 7}', "7", "7\n"])
def test_the_generation_is_read_where_the_service_shows_it(answer, material, tmp_path):
    with serving(material.context()) as endpoint, listening(http(answer), path=tmp_path / "g"):
        shown = Endpoint(port=endpoint.port, server_name=NAME, generation_socket=tmp_path / "g")
        assert look(shown) == Served(fingerprints=material.fingerprints, generation=7)


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (http("no", status="404 Not Found"), "the answer is 404 Not Found"),
        (http("<html>"), "the answer is '<html>'"),
        (http('{"number": 7}'), "the answer is '{\"number\": 7}'"),
        (http("true"), "the answer is 'true'"),
        (saying("S: 220 mx", then=lambda connection: connection.recv(100)), "the answer is not HTTP (BadStatusLine)"),
        (None, "nobody listens there (no such socket)"),
    ],
)
def test_a_generation_that_cant_be_read_is_an_error_but_not_a_dead_service(handler, expected, material, tmp_path):
    path = tmp_path / "g"
    with ExitStack() as stack:
        endpoint = stack.enter_context(serving(material.context()))
        if handler:
            stack.enter_context(listening(handler, path=path))
        said = reason(Endpoint(port=endpoint.port, server_name=NAME, generation_socket=path))
    assert said == f"the generation can't be read from unix:{path}: {expected}."


# Judging

LEAF, OTHER, MIDDLE = (digit * 64 for digit in "123")


@pytest.mark.parametrize(
    ("served", "shown", "code"),
    [
        (Served(fingerprints=(LEAF, MIDDLE), generation=7), True, None),
        (Served(fingerprints=(LEAF, MIDDLE)), False, None),
        (Served(fingerprints=(LEAF,), generation=7), True, "deploy.wrong_chain"),
        (Served(fingerprints=(OTHER, MIDDLE), generation=7), True, "deploy.wrong_chain"),
        (Served(fingerprints=(), generation=7), True, "deploy.wrong_chain"),
        (Served(fingerprints=(LEAF, MIDDLE), generation=6), False, "deploy.wrong_generation"),
        (Served(fingerprints=(LEAF, MIDDLE)), True, "deploy.wrong_generation"),
    ],
)
def test_what_is_presented_is_compared_one_by_one(served, shown, code):
    endpoint = Endpoint(port=443, server_name=NAME, generation_socket=Path("/run/generation") if shown else None)
    problem = mismatch(endpoint, served, Expected(fingerprints=(LEAF, MIDDLE), generation=7))
    assert (problem.code if problem else None) == code


# Looking at many


def observe(
    *endpoints: Endpoint, expected: Material, until_served: bool, timeout: float = 10, prober: Prober | None = None
):
    wanted = [(endpoint, Expected(fingerprints=expected.fingerprints, generation=1)) for endpoint in endpoints]
    return (prober or Prober()).observe(wanted, timeout=timeout, handshakes=3, until_served=until_served)


def test_nothing_to_look_at_is_nothing_seen():
    assert Prober().observe([], timeout=1, handshakes=3, until_served=True) == []


def test_without_patience_there_is_one_look(maker):
    old, new = maker.make(), maker.make()
    with listening(securing(old.context)) as server:
        endpoint = Endpoint(port=server.port, server_name=NAME)
        good, bad = (
            observe(endpoint, expected=old, until_served=False),
            observe(endpoint, expected=new, until_served=False),
        )
    assert server.connections == 2
    assert good[0].ok
    assert not bad[0].ok
    assert bad[0].served == Served(fingerprints=old.fingerprints)
    assert f"serves the chain {old.fingerprints[0][:12]} instead of {new.fingerprints[0][:12]}." in str(bad[0].problem)


def test_with_patience_several_handshakes_in_a_row_must_be_right(material):
    pauses = []
    with listening(securing(material.context)) as server:
        (seen,) = observe(
            Endpoint(port=server.port, server_name=NAME),
            expected=material,
            until_served=True,
            prober=Prober(wait=pauses.append),
        )
    assert seen.ok
    assert server.connections == 3
    assert pauses == [0.06, 0.06]


def test_a_service_that_takes_the_new_chain_late_is_waited_for(maker):
    old, new = maker.make(), maker.make()
    serves = [old.context()]
    with listening(securing(lambda: serves[-1])) as server:
        timer = threading.Timer(0.3, lambda: serves.append(new.context()))
        timer.start()
        (seen,) = observe(Endpoint(port=server.port, server_name=NAME), expected=new, until_served=True)
        timer.join()
    assert seen.ok
    assert seen.served == Served(fingerprints=new.fingerprints)
    assert server.connections > 3


def test_a_worker_that_still_serves_the_old_chain_now_and_then_is_found(maker):
    old, new = maker.make(), maker.make()
    turns = iter([new, old, new, new, old, new, new, new])
    with listening(securing(lambda: next(turns).context())) as server:
        (seen,) = observe(
            Endpoint(port=server.port, server_name=NAME),
            expected=new,
            until_served=True,
            prober=Prober(wait=lambda pause: None),
        )
    assert seen.ok
    assert server.connections == 8


def test_one_endpoint_of_an_address_goes_ahead_while_the_service_reloads(maker):
    old, new = maker.make(), maker.make()
    turns = iter([old] * 5)
    with listening(securing(lambda: next(turns, new).context())) as server:
        endpoints = [Endpoint(port=server.port, server_name=f"s{number}.example.test") for number in range(10)]
        seen = observe(*endpoints, expected=new, until_served=True, prober=Prober(wait=lambda pause: None))
    assert all(each.ok for each in seen)
    assert server.connections == 5 + 3 + 9 * 3


def test_a_service_that_never_takes_the_new_chain_is_given_up(maker):
    old, new = maker.make(), maker.make()
    with listening(securing(old.context)) as server:
        (seen,) = observe(Endpoint(port=server.port, server_name=NAME), expected=new, until_served=True, timeout=0.4)
    assert not seen.ok
    assert not seen.dead
    assert seen.problem.code == "deploy.wrong_chain"
    assert server.connections > 2


def test_a_service_that_begins_to_listen_late_is_waited_for_and_one_that_never_does_is_dead(material, tmp_path):
    path = tmp_path / "late"
    with ExitStack() as stack:

        def wait(pause: float) -> None:
            if not path.exists():
                stack.enter_context(listening(securing(material.context), path=path))

        (late,) = observe(Endpoint(path=path), expected=material, until_served=True, prober=Prober(wait=wait))
    (never,) = observe(Endpoint(path=tmp_path / "never"), expected=material, until_served=True, timeout=0.2)
    assert late.ok
    assert never.dead


def test_intermediates_that_are_not_sent_are_missed(material):
    with serving(material.context(leaf_only=True)) as endpoint:
        (seen,) = observe(endpoint, expected=material, until_served=False)
    assert "without its intermediates." in str(seen.problem)


def test_the_right_chain_with_an_older_configuration_is_not_enough(material, tmp_path):
    with (
        serving(material.context()) as served,
        listening(http(*"0111"), path=tmp_path / "g"),
    ):
        endpoint = Endpoint(port=served.port, server_name=NAME, generation_socket=tmp_path / "g")
        (before,) = observe(endpoint, expected=material, until_served=False)
        (after,) = observe(endpoint, expected=material, until_served=True)
    assert "the service runs generation 0 instead of 1." in str(before.problem)
    assert after.ok


def test_a_thousand_endpoints_are_seen_in_their_order(maker):
    many = {f"s{number}.example.test": maker.make(f"s{number}.example.test") for number in range(3)}
    contexts = {name: each.context() for name, each in many.items()}
    default = contexts["s0.example.test"]
    default.sni_callback = lambda stream, name, context: setattr(stream, "context", contexts[name])
    with listening(securing(lambda: default)) as server:
        names = [f"s{number % 3}.example.test" for number in range(1000)]
        wanted = [
            (Endpoint(port=server.port, server_name=name), Expected(fingerprints=many[name].fingerprints, generation=1))
            for name in names
        ]
        seen = Prober().observe(wanted, timeout=60, handshakes=1, until_served=True)
    assert [each.endpoint for each in seen] == [endpoint for endpoint, _ in wanted]
    assert all(each.ok for each in seen)


def test_a_service_that_hangs_under_many_names_does_not_hide_the_others(material):
    with (
        serving(material.context()) as good,
        listening(lambda connection: connection.recv(10_000) and connection.recv(1)) as silent,
    ):
        hanging = [Endpoint(port=silent.port, server_name=f"s{number}.example.test") for number in range(40)]
        seen = observe(*hanging, good, expected=material, until_served=True, timeout=0.4)
    assert seen[-1].ok
    assert not any(each.ok for each in seen[:-1])
    assert "no answer within 0." in str(seen[0].problem)


# Probes of plugins


class Banner(TLSProbe):
    """The service says its generation first."""

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        banner = stream.recv(100).decode()
        if not banner.startswith("READY "):
            raise ProbeFailed(str(endpoint), f'the banner is "{banner}"')
        return int(banner.removeprefix("READY "))


@pytest.mark.parametrize(
    ("banner", "message"),
    [
        (b"READY 1", ""),
        (b"READY 0", "the service runs generation 0 instead of 1."),
        (b"BUSY", 'gives no proper answer: the banner is "BUSY".'),
        (b"READY x", "gives no proper answer: the probe raised ValueError: invalid literal"),
        (None, "gives no proper answer: no answer within 0.5 s."),
    ],
)
def test_a_plugin_can_look_above_tls(banner, message, material):
    def say(stream: socket.socket) -> None:
        stream.sendall(banner) if banner else stream.recv(1)

    with listening(securing(material.context, say)) as server:
        (seen,) = observe(
            Endpoint(port=server.port, server_name=NAME, probe=Banner()),
            expected=material,
            until_served=False,
            timeout=0.5 if banner is None else 10,
        )
    assert message in str(seen.problem)
    assert seen.ok is not bool(message)


class Answer(Probe):
    def __init__(self, answer) -> None:
        self.answer = answer

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        return self.answer(expected)


def crash(expected: Expected) -> Served:
    raise KeyError("session")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda expected: Served(fingerprints=expected.fingerprints), ""),
        (crash, "the probe raised KeyError: 'session'."),
        (lambda expected: None, "the probe returned None instead of a Served."),
    ],
)
def test_a_plugins_probe_may_do_anything_and_is_named_for_it(answer, message, material):
    (seen,) = observe(Endpoint(port=1, probe=Answer(answer)), expected=material, until_served=False)
    assert message in str(seen.problem)
    assert seen.ok is not bool(message)


def test_a_plugins_probe_that_forgets_its_deadline_is_left(material):
    ended = threading.Event()
    try:
        hangs = Endpoint(port=1, probe=Answer(lambda expected: ended.wait(60)))
        (seen,) = observe(hangs, expected=material, until_served=False, timeout=0.1)
    finally:
        ended.set()
    assert "the probe doesn't keep its deadline." in str(seen.problem)
