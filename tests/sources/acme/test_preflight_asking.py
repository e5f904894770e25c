"""One question to DNS servers: lost, late, truncated, forged; and what is asked only once."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest

from agent.dns.answer import is_definite
from agent.dns.exchange import Budget, Unanswered, ask, make_query
from agent.dns.memory import ENOUGH, KEPT, SILENCE_KEPT, Memory
from support.servers.dns_server import Server, closed_port, what_it_has_heard

NAME = dns.name.from_text("gw.example.com")
RECORDS = {"gw.example.com": {"A": ["93.184.216.34"], "TXT": [f'"{"x" * 250}"'] * 1}}


@pytest.fixture
def server() -> Iterator[Callable[[], Server]]:
    """`server()`: a resolver that knows one name."""
    made: list[Server] = []

    def make(address: str = "127.0.0.1") -> Server:
        made.append(Server(address, 0, what_it_has_heard(RECORDS)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def budget(seconds: float = 20, cancelled: Callable[[], bool] = lambda: False) -> Budget:
    return Budget(time.monotonic() + seconds, cancelled)


def asked(*servers: Server | tuple[str, int], patience: float = 5.0, **told: Budget) -> dns.message.Message:
    places = [(each.address, each.port) if isinstance(each, Server) else each for each in servers]
    query = make_query(NAME, dns.rdatatype.A, dns.flags.RD)
    return ask(query, places, told.get("within", budget()), is_definite, patience=patience)


def address_in(reply: dns.message.Message) -> str:
    return reply.answer[0][0].to_text()


def why_not(*servers: Server | tuple[str, int], **told) -> Unanswered:
    with pytest.raises(Unanswered) as caught:
        asked(*servers, **told)
    return caught.value


def test_a_truncated_answer_is_fetched_over_tcp(server):
    one = server()
    one.treat(truncated=True)
    assert address_in(asked(one)) == "93.184.216.34"
    assert [each.over for each in one.asked] == ["udp", "tcp"]


def test_where_tcp_is_closed_the_next_server_is_asked(server):
    one, two = server(), server()
    one.treat(truncated=True, not_over_tcp=True)
    assert address_in(asked(one, two)) == "93.184.216.34"
    assert two.asked


def test_a_lost_question_is_asked_again(server):
    one = server()
    lost = iter([True])
    answer = one.reply_to
    one.reply_to = lambda wire, over: None if next(lost, False) else answer(wire, over)  # type: ignore[method-assign]
    assert address_in(asked(one)) == "93.184.216.34"


def test_a_server_that_nobody_listens_at_is_passed_over_at_once(server):
    assert address_in(asked(("127.0.0.1", closed_port()), server())) == "93.184.216.34"
    assert str(why_not(("127.0.0.1", closed_port()), patience=60.0)) == "there was no answer"


def test_a_network_that_can_not_be_reached_is_passed_over_at_once(server):
    assert address_in(asked(("255.255.255.255", 53), ("no address", 53), server())) == "93.184.216.34"


def test_a_server_that_fails_is_not_asked_again_and_the_next_one_is(server):
    one, two = server(), server()
    one.treat(rcode="SERVFAIL")
    assert address_in(asked(one, two)) == "93.184.216.34"
    assert len(one.asked) == 1


def test_what_the_last_server_said_instead_is_told(server):
    one, two = server(), server()
    one.treat(silent=True)
    two.treat(rcode="REFUSED")
    error = why_not(one, two, patience=0.8)
    assert str(error) == "the answer was REFUSED"
    assert error.rcode is not None


def test_answers_to_other_questions_are_passed_over():
    forged = dns.message.make_response(make_query(dns.name.from_text("other.example.com"), dns.rdatatype.A, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, ThreadPoolExecutor() as pool:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        reply = pool.submit(asked, sock.getsockname())
        wire, client = sock.recvfrom(65535)
        forged.id = dns.message.from_wire(wire).id
        right = dns.message.make_response(dns.message.from_wire(wire))
        right.set_rcode(3)
        for each in (b"", b"\0", forged.to_wire(), right.to_wire()):
            sock.sendto(each, client)
        assert reply.result(timeout=20).question[0].name == NAME


@pytest.mark.parametrize("sent", [b"", b"\0", struct.pack("!H", 500) + b"too short"], ids=["nothing", "half", "less"])
def test_a_tcp_connection_that_breaks_off_is_no_answer(server, sent):
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(tcp.getsockname())
        udp.settimeout(20)

        def truncated_then_broken() -> None:
            wire, client = udp.recvfrom(65535)
            reply = dns.message.make_response(dns.message.from_wire(wire))
            reply.flags |= dns.flags.TC
            udp.sendto(reply.to_wire(), client)
            connection, _ = tcp.accept()
            with connection:
                connection.recv(65535)
                connection.sendall(sent)

        with ThreadPoolExecutor() as pool:
            done = pool.submit(truncated_then_broken)
            error = why_not(tcp.getsockname(), patience=1.0)
            done.result(timeout=20)
        assert str(error) == "there was no answer"


def test_a_tcp_connection_that_says_nothing_is_given_up(server):
    one = server()
    one.treat(truncated=True)
    blocked = threading.Event()
    answer = one.reply_to

    def only_over_udp(wire: bytes, over: str) -> bytes | None:
        if over == "tcp":
            blocked.wait(20)
        return answer(wire, over)

    one.reply_to = only_over_udp  # type: ignore[method-assign]
    try:
        assert str(why_not(one, patience=0.5)) == "there was no answer"
    finally:
        blocked.set()


def test_there_is_no_answer_once_the_time_is_over(server):
    error = why_not(server(), within=budget(-1))
    assert (str(error), error.lasting) == ("there was no time left for it", False)


def test_a_question_is_given_up_when_it_is_cancelled(server):
    one = server()
    one.treat(silent=True)
    looks = itertools.count()
    error = why_not(one, patience=60.0, within=budget(600, lambda: next(looks) > 3))
    assert not error.lasting


# Memory


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_found_out_is_kept_for_some_minutes():
    clock, counter = Clock(), itertools.count()
    memory = Memory(clock)
    assert [memory.recall("key", lambda: next(counter)) for _ in range(3)] == [0, 0, 0]
    assert memory.recall("other", lambda: next(counter)) == 1
    clock.now += KEPT
    assert memory.recall("key", lambda: next(counter)) == 2


def test_who_asks_while_it_is_being_found_out_waits_for_it():
    memory, begun, done = Memory(), threading.Event(), threading.Event()

    def find() -> str:
        begun.set()
        assert done.wait(20)
        return "found"

    with ThreadPoolExecutor() as pool:
        first = pool.submit(memory.recall, "key", find)
        assert begun.wait(20)
        second = pool.submit(memory.recall, "key", lambda: "never asked")
        done.set()
        assert [first.result(20), second.result(20)] == ["found", "found"]


@pytest.mark.parametrize(("lasting", "asked_again"), [(True, False), (False, True)])
def test_silence_is_kept_for_a_while_but_not_that_time_was_too_short(lasting, asked_again):
    clock, counter = Clock(), itertools.count()
    memory = Memory(clock)

    def fail() -> None:
        next(counter)
        raise Unanswered("nobody said anything", lasting=lasting)

    for _ in range(2):
        with pytest.raises(Unanswered):
            memory.recall("key", fail)
    assert next(counter) == 1 + asked_again
    clock.now += SILENCE_KEPT
    assert memory.recall("key", lambda: "found") == "found"


def test_servers_that_were_silent_about_several_names_are_left_alone_for_a_while():
    clock, counter = Clock(), itertools.count()
    memory = Memory(clock)

    def fail() -> None:
        next(counter)
        raise Unanswered("nobody said anything")

    for name in (*range(ENOUGH), "one", "two"):
        with pytest.raises(Unanswered):
            memory.attempt("servers", name, fail)
    assert next(counter) == ENOUGH
    assert memory.attempt("other servers", "one", lambda: "found") == "found"
    clock.now += SILENCE_KEPT
    assert memory.attempt("servers", "one", lambda: "found") == "found"


def test_one_answer_shows_that_servers_are_not_silent():
    memory = Memory(Clock())

    def fail() -> None:
        raise Unanswered("nobody said anything")

    for name in range(ENOUGH * 3):
        with pytest.raises(Unanswered):
            memory.attempt("servers", name, fail)
        if name % 2:
            assert memory.attempt("servers", "good", lambda: "found") == "found"
