"""Who answers HTTP-01 challenges on this machine is found out by asking it."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

import pytest
import requests

from agent.contract.context import Http01
from agent.contract.endpoint import Address
from agent.errors.http01 import AnsweredByAnother, PortForbidden, PortUnusable, TokenMalformed, WebrootUnwritable
from agent.sources.acme.http01 import LOOPBACK, MOST_ADDRESSES, Answers, where_to_ask
from agent.sources.acme.responder import Responder
from support.fakes.http01 import (
    AT,
    NAME,
    PATH,
    THUMBPRINT,
    Looking,
    dripping,
    host_of,
    http,
    key_authorization,
    looking,
    path_of,
    request_of,
    serving_files_of,
    silent,
    stateless,
    web,
)
from support.ports import free_port
from support.servers.local import Handler, Maker, Running, listening, securing

WWW = "www.example.com"


def asked(port: int, token: str = "token", host: str = "127.0.0.1") -> str:
    """Return what anybody gets."""
    with requests.Session() as client:
        client.trust_env = False
        return client.get(f"http://{host}:{port}{PATH}{token}", timeout=20).text


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except ConnectionRefusedError:
        return True
    return False


def stranger() -> AbstractContextManager[Running]:
    """Let a web server of somebody else have a port."""
    return listening(web(lambda lines: http("404 Not Found")))


def one_by_one(*handlers: Handler) -> Handler:
    """Return a handler that treats each connection with the next of `handlers`."""
    numbers = count()

    def handle(stream: socket.socket) -> None:
        handlers[next(numbers)](stream)

    return handle


# Somebody answers


def test_a_server_that_knows_the_thumbprint_needs_nothing(tmp_path: Path):
    with listening(web(stateless)) as there, looking(tmp_path, there.port) as here:
        here.prepare()
        here.present()
        assert here.files() == []
        here.answers.clean_up(NAME, "token")


def test_a_server_that_serves_the_webroot_gets_a_file_for_each_token(tmp_path: Path):
    with listening(web(serving_files_of(tmp_path))) as there, looking(tmp_path, there.port) as here:
        here.prepare()
        assert here.files() == []
        here.present("one")
        here.present("two")
        assert asked(there.port, "one") == f"one.{THUMBPRINT}"
        assert (tmp_path / "one").stat().st_mode & 0o777 == 0o644
        here.answers.clean_up(NAME, "one")
        here.answers.clean_up(NAME, "one")
        assert here.files() == ["two"]


def test_a_file_can_be_read_by_the_server_whatever_the_umask(tmp_path: Path):
    with listening(web(serving_files_of(tmp_path))) as there, looking(tmp_path, there.port) as here:
        before = os.umask(0o077)
        try:
            here.prepare()
            here.present()
        finally:
            os.umask(before)
        assert (tmp_path / "token").stat().st_mode & 0o777 == 0o644


def test_each_name_is_asked_for_itself(tmp_path: Path):
    def answer(lines: list[str]) -> str:
        if host_of(lines).startswith(NAME):
            return stateless(lines)
        if host_of(lines).startswith(WWW):
            return serving_files_of(tmp_path)(lines)
        return http("404 Not Found")

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        error = here.refusal(NAME, WWW, "other.example.com")
        assert error.failed == {"other.example.com"}
        here.prepare(NAME, WWW)
        here.present("one", NAME)
        here.present("two", WWW)
        assert here.files() == ["two"]


def test_the_host_header_is_the_name_as_a_ca_writes_it(tmp_path: Path):
    hosts = []

    def answer(lines: list[str]) -> str:
        hosts.append(host_of(lines))
        return stateless(lines)

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        here.prepare(NAME)
        here.prepare("192.0.2.1")
        here.prepare("2001:db8::1")
    port = there.port
    assert hosts == [f"{NAME}:{port}", f"192.0.2.1:{port}", f"[2001:db8::1]:{port}"]


def test_white_space_behind_the_answer_does_no_harm(tmp_path: Path):
    def answer(lines: list[str]) -> str:
        return http("200 OK", key_authorization(path_of(lines)) + " \r\n")

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        here.prepare()


def test_an_answer_in_chunks_is_understood(tmp_path: Path):
    def answer(lines: list[str]) -> str:
        body = key_authorization(path_of(lines))
        return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n"

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        here.prepare()


def test_a_hundred_orders_do_not_ask_a_hundred_times(tmp_path: Path):
    with listening(web(stateless)) as there, looking(tmp_path, there.port) as here:
        for _ in range(100):
            here.prepare(NAME, WWW, NAME)
        assert there.connections == 2
        here.clock.now += 61
        here.prepare(NAME)
        assert there.connections == 3


def test_what_failed_is_looked_at_again(tmp_path: Path):
    works = threading.Event()

    def answer(lines: list[str]) -> str:
        return stateless(lines) if works.is_set() else http("404 Not Found")

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        here.refusal()
        works.set()
        here.prepare()


# Where it's asked


def test_what_listens_at_another_address_of_this_machine_is_found(tmp_path: Path):
    with listening(web(stateless), host="127.0.0.3") as there:
        addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        with looking(tmp_path, there.port, addresses=lambda: addresses) as here:
            here.prepare()


def test_a_stranger_at_one_address_does_not_hide_who_answers_at_another(tmp_path: Path):
    addresses = ["127.0.0.1", "127.0.0.2"]
    with (
        stranger() as there,
        listening(web(stateless), host="127.0.0.2", port=there.port),
        looking(tmp_path, there.port, addresses=lambda: addresses) as here,
    ):
        here.prepare()


def test_an_address_of_this_machine_is_asked_itself(tmp_path: Path):
    with stranger() as there, listening(web(stateless), host="127.0.0.9", port=there.port):
        with looking(tmp_path, there.port, addresses=lambda: ["127.0.0.1", "127.0.0.9"]) as here:
            here.prepare("127.0.0.9")
        assert there.connections == 0


def test_loopback_is_asked_first_and_then_every_address_of_this_machine():
    found = where_to_ask()
    assert found[:2] == LOOPBACK
    assert len(set(found)) == len(found)
    assert not [each for each in found if each.startswith("fe80:")]


WITHOUT_DESCRIPTORS = """
import os, resource
from agent.sources.acme.http01 import LOOPBACK, where_to_ask
assert len(where_to_ask()) > 0
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
assert where_to_ask() == LOOPBACK
"""


def test_a_machine_that_does_not_tell_its_addresses_is_asked_at_loopback():
    subprocess.run([sys.executable, "-c", WITHOUT_DESCRIPTORS], check=True, timeout=60)


def test_a_machine_with_hundreds_of_addresses_is_not_asked_at_each(tmp_path: Path):
    many = [f"127.0.1.{number}" for number in range(200)]
    with listening(web(stateless), host=many[MOST_ADDRESSES]) as there:
        with looking(tmp_path, there.port, addresses=lambda: many) as here:
            assert "nobody listens there" in str(here.refusal())
        with looking(tmp_path, there.port, addresses=lambda: many[1:]) as here:
            here.prepare()


# Each address that the name has

V4, V6 = "127.0.0.1", "::1"


def dual(tmp_path: Path, port: int, *targets: str, own: Sequence[str] = (V4, V6)) -> AbstractContextManager[Looking]:
    return looking(tmp_path, port, addresses=lambda: own, targets=lambda _name: targets)


@pytest.mark.parametrize("answer", [lambda _webroot: stateless, serving_files_of], ids=["thumbprint", "webroot"])
def test_a_name_of_both_families_has_to_be_answered_over_both(tmp_path: Path, answer):
    with listening(web(answer(tmp_path))) as there, listening(web(answer(tmp_path)), host=V6, port=there.port) as other:
        with dual(tmp_path, there.port, V4, V6) as here:
            assert here.prepare() == ()
        assert other.connections > 0


@pytest.mark.parametrize(("right", "wrong"), [(V4, V6), (V6, V4)], ids=["IPv6", "IPv4"])
@pytest.mark.parametrize("answer", [lambda _webroot: stateless, serving_files_of], ids=["thumbprint", "webroot"])
def test_a_stranger_in_one_family_is_told_with_its_address(tmp_path: Path, right: str, wrong: str, answer):
    with (
        listening(web(answer(tmp_path)), host=right) as there,
        listening(web(lambda _lines: http("404 Not Found", Server="Toy/1")), host=wrong, port=there.port),
        dual(tmp_path, there.port, V4, V6) as here,
    ):
        error = here.refusal(NAME, WWW)
        again = here.refusal(NAME)
    assert isinstance(error, AnsweredByAnother)
    assert error.failed == {NAME, WWW}
    bad, good = (Address(host=host, port=there.port) for host in (wrong, right))
    assert str(error.problem.cause).endswith(f"Toy/1 at {bad} says 404 Not Found; {good} answers rightly.")
    assert again.failed == {NAME}, "what answered in the other family is not believed"


@pytest.mark.parametrize(("right", "silent"), [(V4, V6), (V6, V4)], ids=["IPv6", "IPv4"])
def test_a_family_in_which_nobody_listens_is_said_and_left_to_the_ca(tmp_path: Path, right: str, silent: str):
    with listening(web(stateless), host=right) as there, dual(tmp_path, there.port, V4, V6) as here:
        [said] = here.prepare()
        assert said == (
            f"A CA may find nobody who answers for {NAME}: {Address(host=silent, port=there.port)}: nobody listens there "
            f"(connection refused); {Address(host=right, port=there.port)} answers rightly."
        )
        assert here.prepare() == (), "it is said once"


def test_a_name_at_whose_only_address_nobody_listens_is_not_answered(tmp_path: Path):
    with listening(web(stateless)) as there, dual(tmp_path, there.port, V6) as here:
        assert f"{Address(host=V6, port=there.port)}: nobody listens there" in str(here.refusal())


def test_each_of_several_addresses_of_a_name_has_to_answer(tmp_path: Path):
    own = (V4, "127.0.0.2", "127.0.0.3")
    with listening(web(stateless)) as there, listening(web(stateless), host="127.0.0.2", port=there.port):
        with dual(tmp_path, there.port, V4, "127.0.0.2", own=own) as here:
            assert here.prepare() == ()
        with dual(tmp_path, there.port, V4, "127.0.0.2", "127.0.0.3", own=own) as here:
            assert "127.0.0.3" in here.prepare()[0]


def test_an_ipv4_address_that_is_translated_may_lead_to_any_of_this_machine(tmp_path: Path):
    own = (V4, "127.0.0.2", V6)
    with listening(web(stateless), host=own[1]) as there, dual(tmp_path, there.port, "198.51.100.7", own=own) as here:
        assert here.prepare() == ()
    with listening(web(stateless), host=V6) as there, dual(tmp_path, there.port, "198.51.100.7") as here:
        assert "nobody listens there" in str(here.refusal())


def test_an_ipv6_address_of_another_machine_is_not_looked_for_on_this_one(tmp_path: Path):
    with listening(web(stateless)) as there, dual(tmp_path, there.port, V4, "2001:db8::7") as here:
        assert here.prepare() == ()


# It redirects


def redirecting(target: Callable[[list[str]], str], status: str = "301 Moved Permanently") -> Handler:
    return web(lambda lines: http(status, Location=target(lines), Server="Toy/1"))


def test_a_redirection_to_https_is_followed_whatever_the_certificate(tmp_path: Path):
    secure = securing(Maker(tmp_path).make("other.test").context, web(stateless))
    with listening(secure) as https:
        target = redirecting(lambda lines: f"https://{NAME}{path_of(lines)}")
        with listening(target) as there, looking(tmp_path, there.port, https_port=https.port) as here:
            here.prepare()
            assert https.connections == 1


@pytest.mark.parametrize("status", ["302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_every_kind_of_redirection_is_followed(tmp_path: Path, status: str):
    handler = one_by_one(redirecting(path_of, status), web(stateless))
    with listening(handler) as there, looking(tmp_path, there.port) as here:
        here.prepare()


def test_a_redirection_to_another_name_is_asked_on_this_machine(tmp_path: Path):
    def answer(lines: list[str]) -> str:
        if host_of(lines).startswith(WWW):
            return stateless(lines)
        return http("301 Moved Permanently", Location=f"http://{WWW}{path_of(lines)}")

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        here.prepare()


def test_a_redirection_that_ends_at_a_stranger_is_told(tmp_path: Path):
    def answer(lines: list[str]) -> str:
        if host_of(lines) == "elsewhere.example.net":
            return http("404 Not Found", Server="Stranger/1")
        return http("302 Found", Location="http://elsewhere.example.net/")

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        error = here.refusal()
    assert f'Stranger/1 at 127.0.0.1:{there.port} says 404 Not Found at "http://elsewhere.example.net/"' in str(error)


@pytest.mark.parametrize(
    "target",
    ["https://a.example.com:8443/", "ftp://a.example.com/", "https:///nowhere", "http://[::1/", "http://a:port/"],
)
def test_a_redirection_that_no_ca_follows_is_told(tmp_path: Path, target: str):
    with listening(redirecting(lambda lines: target)) as there, looking(tmp_path, there.port) as here:
        error = here.refusal()
    assert isinstance(error, AnsweredByAnother)
    assert f'Toy/1 at 127.0.0.1:{there.port} redirects to "{target}"' in str(error)
    assert "without a redirect" in error.problem.fix


def test_redirections_without_an_end_are_given_up(tmp_path: Path):
    with listening(redirecting(lambda lines: f"{path_of(lines)}x")) as there, looking(tmp_path, there.port) as here:
        error = here.refusal()
        assert there.connections == 2 * 11  # without a file and with one
    assert "redirects to" in str(error)


def test_a_redirection_to_a_port_at_which_nobody_listens_is_told(tmp_path: Path):
    closed = free_port()
    target = redirecting(lambda lines: f"https://{NAME}{path_of(lines)}")
    with listening(target) as there, looking(tmp_path, there.port, https_port=closed) as here:
        error = here.refusal()
    assert f"127.0.0.1:{closed}: nobody listens there (connection refused) (redirected to " in str(error)


def test_a_redirection_to_https_that_is_none_is_told(tmp_path: Path):
    with listening(lambda stream: stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as plain:
        target = redirecting(lambda lines: f"https://{NAME}{path_of(lines)}")
        with listening(target) as there, looking(tmp_path, there.port, https_port=plain.port) as here:
            assert "what answers is not TLS" in str(here.refusal())


# A stranger has the port


def test_a_stranger_is_told_with_what_it_says(tmp_path: Path):
    def answer(lines: list[str]) -> str:
        return http("404 Not Found", "<h1>Nothing here</h1>", Server="Toy/1.2")

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        error = here.refusal(NAME, WWW)
    assert isinstance(error, AnsweredByAnother)
    assert error.problem.cause == (
        f"Port {there.port} of this machine does not answer a CA's challenge for {NAME}, {WWW}: "
        f"Toy/1.2 at 127.0.0.1:{there.port} says 404 Not Found."
    )
    assert (error.failed, error.retry_at) == ({NAME, WWW}, AT)
    assert str(tmp_path) in error.problem.fix


def test_a_stranger_that_welcomes_everybody_is_told_with_its_first_words(tmp_path: Path):
    def answer(lines: list[str]) -> str:
        return http("200 OK", "Welcome!\n\x1b[31m" + "x" * 5000, Server="\x1b]0;Toy\x07")

    with listening(web(answer)) as there, looking(tmp_path, there.port) as here:
        error = here.refusal()
    assert '200 OK with "Welcome!\\n\\x1b[31mxxxxxxxx' in str(error)
    assert "\\x1b]0;Toy\\x07 at 127.0.0.1" in str(error)
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", '200 OK with "short"'),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n", "what answers is not HTTP"),
        (b"HTTP/1.1 999999 Odd\r\n\r\n", "what answers is not HTTP"),
        (b"\xff\xfe\x00" * 100, "what answers is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, "what answers is not HTTP"),
        (b"", "the connection was closed without an answer"),
    ],
)
def test_garbage_is_told(tmp_path: Path, said: bytes, told: str):
    def handle(stream: socket.socket) -> None:
        request_of(stream)
        stream.sendall(said)

    with listening(handle) as there, looking(tmp_path, there.port) as here:
        assert told in str(here.refusal())


@pytest.mark.parametrize("handler", [silent, dripping])
def test_one_that_hangs_is_given_up_in_time(tmp_path: Path, handler: Handler):
    with listening(handler) as there, looking(tmp_path, there.port, patience=0.2) as here:
        error = here.refusal()
    assert f"127.0.0.1:{there.port}: no answer within 0.2 s" in str(error)


def test_all_names_together_take_no_longer_than_is_allowed(tmp_path: Path):
    names = [f"n{number}.example.com" for number in range(60)]
    with listening(silent) as there, looking(tmp_path, there.port, patience=0.3, longest=0.5) as here:
        error = here.refusal(*names)
        assert error.failed == set(names)
        assert there.connections <= 2 * 8  # eight at a time, and then there is no time left


def test_who_insists_does_what_can_be_done(tmp_path: Path):
    with stranger() as there, looking(tmp_path, there.port) as here:
        here.refusal()
        here.present()
        assert (tmp_path / "token").read_text() == f"token.{THUMBPRINT}"


# Nobody has the port


def test_where_nobody_listens_the_agent_does_as_long_as_it_is_needed(tmp_path: Path):
    with looking(tmp_path) as here:
        with here.answers.serving(), here.answers.serving():
            here.prepare(NAME, WWW)
            here.present()
            assert here.files() == ["token"]
            assert asked(here.port) == f"token.{THUMBPRINT}"
        assert refused(here.port)
        with here.answers.serving():
            here.prepare()  # what was seen before is not believed any more
            assert asked(here.port) == f"token.{THUMBPRINT}"


def test_its_own_listener_is_asked_once_for_all_names(tmp_path: Path):
    places = ["127.0.0.1"]
    with looking(tmp_path, addresses=lambda: places) as here, here.answers.serving():
        here.prepare()
        places[:] = ["127.0.0.2"]  # where nobody would answer
        here.prepare(WWW)


def test_it_goes_on_as_long_as_one_order_is_left(tmp_path: Path):
    with looking(tmp_path) as here, here.answers.serving():
        with here.answers.serving():
            here.prepare()
        assert asked(here.port) == f"token.{THUMBPRINT}"


def test_an_order_that_fails_gives_the_port_back(tmp_path: Path):
    with looking(tmp_path) as here:

        def order() -> None:
            with here.answers.serving():
                here.prepare()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            order()
        assert refused(here.port)


def test_it_is_answered_over_both_families_at_every_address(tmp_path: Path):
    with looking(tmp_path, addresses=where_to_ask, hosts=["::", "0.0.0.0"]) as here, here.answers.serving():
        here.prepare()
        assert [asked(here.port, host=host) for host in ("127.0.0.1", "[::1]")] == [f"token.{THUMBPRINT}"] * 2


def test_many_orders_at_once_start_one_listener(tmp_path: Path):
    with looking(tmp_path) as here:
        begin = threading.Barrier(8)
        failures = []

        def order(number: int) -> None:
            try:
                with here.answers.serving():
                    begin.wait(20)
                    here.prepare(f"n{number}.example.com")
                    begin.wait(20)
                    assert asked(here.port) == f"token.{THUMBPRINT}"
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=order, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert failures == []
        assert refused(here.port)


def test_a_second_process_of_the_agent_takes_over_when_the_first_ends(tmp_path: Path):
    with looking(tmp_path) as here:
        first = Responder.at(THUMBPRINT, here.port, ["127.0.0.1"])
        try:
            with here.answers.serving():
                here.prepare()
                first.close()
                assert asked(here.port) == f"token.{THUMBPRINT}"
        finally:
            first.close()


def test_another_agent_that_can_not_be_joined_is_believed_no_longer_than_it_is_looked_at(tmp_path: Path):
    taken = "127.0.0.9"
    with looking(tmp_path, hosts=[taken]) as here, socket.create_server((taken, here.port)):
        first = Responder.at(THUMBPRINT, here.port, ["127.0.0.1"])
        here.prepare()
        first.close()
        assert isinstance(here.refusal(), PortUnusable)


def test_a_port_that_is_held_by_somebody_who_does_not_answer_is_told(tmp_path: Path):
    with socket.create_server(("127.0.0.2", 0)) as holder:
        port = holder.getsockname()[1]
        with looking(tmp_path, port, hosts=["127.0.0.2"]) as here:
            error = here.refusal(NAME, WWW)
    assert isinstance(error, PortUnusable)
    assert "but it can't be opened: somebody holds it." in str(error)
    assert error.failed == {NAME, WWW}


def test_a_listener_that_nobody_reaches_is_told(tmp_path: Path):
    with looking(tmp_path, hosts=["127.0.0.2"]) as here:
        assert "nobody listens there (connection refused)" in str(here.refusal())


FORBIDDEN = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from agent.contract.context import Http01
from agent.errors.http01 import Http01Error
from agent.sources.acme.http01 import Answers
root, user, port, free = sys.argv[1:]

def answers(port):
    return Answers(Http01(webroot=Path(root), thumbprint="thumbprint"), port=int(port), addresses=lambda: ["127.0.0.1"])

names = ["a.example.com", "www.example.com"]
warm = answers(free)  # the interpreter may stand where nobody else can read it
warm.prepare(names, retry_at=datetime.now(UTC))
warm.close()
os.setgroups([])
os.setresgid(int(user), int(user), int(user))
os.setresuid(int(user), int(user), int(user))
try:
    answers(port).prepare(names, retry_at=datetime.now(UTC))
except Http01Error as error:
    print(json.dumps([type(error).__name__, sorted(error.failed), error.problem.cause]))
"""


@pytest.mark.root
def test_who_may_not_open_the_port_is_told_so(tmp_path: Path):
    port = privileged_port()
    argv = [sys.executable, "-c", FORBIDDEN, tmp_path, str(pwd.getpwnam("nobody").pw_uid), str(port), str(free_port())]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(said.stdout) == [
        PortForbidden.__name__,
        [NAME, WWW],
        f"Nobody listens at port {port} of this machine, and the agent has no right to do it itself.",
    ]


def privileged_port() -> int:
    """Return a free port that only root may open."""
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    for port in range(start - 1, 0, -1):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("every port may be opened by anybody on this machine")


# The webroot


@pytest.fixture
def vanished(tmp_path: Path) -> Path:
    """A webroot that isn't there: what a full disk or a wrong right comes to."""
    return tmp_path / "gone"


def test_a_webroot_that_can_not_be_written_is_told(vanished: Path):
    def answer(lines: list[str]) -> str:
        return stateless(lines) if host_of(lines).startswith(NAME) else http("404 Not Found")

    with listening(web(answer)) as there, looking(vanished, there.port) as here:
        error = here.refusal(NAME, WWW)
        assert isinstance(error, WebrootUnwritable)
        assert error.failed == {WWW}
        assert f"can't be written into {vanished}: no such file or directory." in str(error)


def test_a_webroot_that_can_not_be_written_any_more_is_told_when_a_token_comes(tmp_path: Path):
    webroot = tmp_path / "http-01"
    webroot.mkdir()
    with listening(web(serving_files_of(webroot))) as there, looking(webroot, there.port) as here:
        here.prepare()
        webroot.rmdir()
        with pytest.raises(WebrootUnwritable):
            here.present()
        here.answers.clean_up(NAME, "token")


def test_a_name_that_nothing_is_known_of_does_not_fail_of_the_webroot(vanished: Path):
    with looking(vanished) as here:
        here.present()


def test_a_directory_in_the_place_of_a_token_leaves_no_draft_behind(tmp_path: Path):
    (tmp_path / "token").mkdir()
    with looking(tmp_path) as here:
        here.present()
        assert here.files() == ["token"]


@pytest.mark.parametrize("token", ["", "../up", "a/b", "a.b", "a" * 129, "ä", "a\n"])
def test_a_token_that_is_none_never_becomes_a_file(tmp_path: Path, token: str):
    webroot = tmp_path / "http-01"
    webroot.mkdir()
    (tmp_path / "up").write_text("")
    with looking(webroot) as here:
        with pytest.raises(TokenMalformed):
            here.present(token)
        here.answers.clean_up(NAME, token)
        assert (here.files(), (tmp_path / "up").exists()) == ([], True)


def test_what_a_crash_has_left_is_removed_a_day_later(tmp_path: Path):
    now = tmp_path.stat().st_mtime
    for name, age in [("old", 90_000), ("young", 80_000), (".draft.new", 90_000), ("index.html", 90_000)]:
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (now - age, now - age))
    (tmp_path / "link").symlink_to("index.html")
    os.utime(tmp_path / "link", (now - 90_000, now - 90_000), follow_symlinks=False)
    with looking(tmp_path) as here:
        assert here.files() == ["index.html", "link", "young"]


# The account key


def test_without_an_account_key_nothing_can_be_answered(tmp_path: Path):
    with pytest.raises(ValueError, match="without an account key"):
        Answers(Http01(webroot=tmp_path))


def test_the_answer_of_an_older_account_key_is_not_taken_for_ours(tmp_path: Path):
    with listening(web(stateless)) as there:
        answers = Answers(
            Http01(webroot=tmp_path, thumbprint="newer"), port=there.port, addresses=lambda: ["127.0.0.1"]
        )
        with pytest.raises(AnsweredByAnother, match="200 OK"):
            answers.prepare([NAME], retry_at=AT)
        answers.close()


def test_a_looking_is_what_the_product_makes(tmp_path: Path):
    here = Looking(tmp_path)
    assert here.answers.http01 == Http01(webroot=tmp_path, thumbprint=THUMBPRINT)
    here.answers.close()
