"""Dialling into SSTP on a real sstp-server, to packets in the tunnel; and what of a session survives a new chain."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from agent.operations.reissue import reissue, reissue_effects
from plugins.sstp.sessions import sessions
from support.appliances.sstp import DOMAIN, SSTPAppliance
from support.clients.sstp import Dialled, Ended, checksum
from support.clients.terminal import Terminal
from support.waiting import until


@pytest.fixture(scope="module")
def vpn() -> Iterator[SSTPAppliance]:
    """sstp-server runs and serves."""
    with SSTPAppliance.make() as box:
        box.with_sstpd()
        box.bring_up()
        yield box


@pytest.fixture(scope="module")
def echoing() -> Iterator[int]:
    """A port of this machine's loopback that sends back what it gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def work() -> None:
            while (received := server.recvfrom(2000))[0] != b"end":
                server.sendto(*received)

        thread = threading.Thread(target=work)
        thread.start()
        yield server.getsockname()[1]
        server.sendto(b"end", server.getsockname())
        thread.join()


@pytest.mark.parametrize("number", range(3))
def test_a_client_gets_packets_through_its_tunnel_and_so_does_the_next_one(vpn, echoing, number):
    with vpn.dialled() as client:
        client.open()
        assert str(client.address) == "10.0.2.15"
        assert sessions(vpn.pid) == ["127.0.0.1"]
        for text in (b"\x7e\x7d\x00\x11", bytes(range(256)), b"x" * 1300):
            assert client.echo(echoing, text) == text
        client.hang_up()
    until(lambda: sessions(vpn.pid) == [], what="the end of the session")


def test_clients_at_the_same_time_have_tunnels_of_their_own(vpn, echoing):
    with vpn.dialled() as one, vpn.dialled() as other:
        one.open()
        other.open()
        assert one.echo(echoing, b"one") == b"one"
        assert other.echo(echoing, b"other") == b"other"
        assert sessions(vpn.pid) == ["127.0.0.1", "127.0.0.1"]


def test_a_client_that_was_shown_another_leaf_is_refused(vpn):
    stale = ssl.PEM_cert_to_DER_cert(vpn.other_pair().leaf_file.read_text())
    with vpn.dialled() as client, pytest.raises(Ended, match=r"^CALL_ABORT$"):
        client.open(stale)


def test_the_demos_ppp_starts_no_program_for_a_client(vpn):
    """By itself slirp gives its clients a command line that does."""
    where, typed = IPv4Address("10.0.2.0"), b"exec /usr/bin/printf 4%d 2\n"
    with vpn.dialled() as client:
        client.open()
        client.send_ip(socket.IPPROTO_TCP, segment(client, where, 1, 0, SYN), where)
        answer = client.received_ip()
        (sequence,) = struct.unpack(">I", answer[4:8])
        client.send_ip(socket.IPPROTO_TCP, segment(client, where, 2, sequence + 1, PSH | ACKNOWLEDGED, typed), where)
        said = b""
        with suppress(TimeoutError):
            while not answer[13] & (FIN | RST):
                answer = client.received_ip(1)
                said += answer[(answer[12] >> 4) * 4 :]
        assert b"42" not in said


def test_a_new_chain_waits_for_its_window_and_then_drops_the_sessions_that_were_named(echoing):
    with SSTPAppliance.make() as box:
        box.with_sstpd()
        box.bring_up()
        opens = box.clock() + timedelta(hours=3)
        box.configure(module={"window": f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"})
        before = box.presented()
        with box.dialled() as one, box.dialled() as other:
            one.open()
            other.open()
            old = one.stream.getpeercert(True)
            said = [each.sentence for each in box.change(reissue_effects, [DOMAIN]).consequences]
            assert said == [
                "2 SSTP sessions drop (127.0.0.1, 127.0.0.1); sstp-server is restarted, as it reads a chain only at its start."
            ]
            box.change(reissue, [DOMAIN])
            assert "sstp" in box.apply().plan.deferred
            assert one.echo(echoing, b"still here") == b"still here"
            assert box.presented() == before
            box.clock.advance(hours=3, minutes=5)
            box.apply()
            for client in (one, other):
                with pytest.raises(Ended, match="the connection"):
                    client.echo(echoing, b"gone")
        assert box.deployment("sstp").outcome is Outcome.LIVE
        assert box.presented()[0] == box.chain() != before[0]
        with box.dialled() as again:
            again.open()
            assert again.echo(echoing, b"back") == b"back"
        with box.dialled() as stale, pytest.raises(Ended, match="CALL_ABORT"):
            stale.open(old)


FIN, SYN, RST, PSH, ACKNOWLEDGED = 0x01, 0x02, 0x04, 0x08, 0x10


def test_where_ppp_is_broken_for_new_clients_those_who_are_connected_are_not_dropped_for_it(echoing):
    with SSTPAppliance.make() as box:
        box.with_sstpd()
        box.bring_up()
        pppd = box.root / "bin/pppd"
        text = pppd.read_text()
        with box.dialled() as client:
            client.open()
            write_program(pppd, "#!/bin/sh\nexit 1\n")
            for minutes in (16, 1):
                box.clock.advance(minutes=minutes)
                box.apply()
                assert {each.problem.code for each in box.records()} == {"deploy.new_sessions_fail"}
                assert client.echo(echoing, b"still here") == b"still here"
            said = Terminal(box.root).run("status")
            assert said.returncode == 3
            assert "PPP ended before it answered the LCP Configure-Request" in said.stdout
            write_program(pppd, text)
            box.clock.advance(minutes=16)
            box.apply()
            assert all(each.ok for each in box.records())
            assert client.echo(echoing, b"still here") == b"still here"
        assert box.runner.count(" restart ") == 0


def test_where_ppp_was_broken_before_a_new_chain_goes_into_service_all_the_same(echoing):
    with SSTPAppliance.make() as box:
        box.with_sstpd()
        box.bring_up()
        before = box.presented()
        write_program(box.root / "bin/pppd", "#!/bin/sh\nexit 1\n")
        box.clock.advance(minutes=16)
        box.apply()
        box.renew()
        box.apply()
        assert box.presented()[0] == box.chain() != before[0]
        assert box.deployment("sstp").outcome is Outcome.LIVE
        assert {each.problem.code for each in box.records()} == {"deploy.new_sessions_fail"}
        assert box.runner.count(" restart ") == 1


def write_program(path: Path, text: str) -> None:
    """Put a program in place of one that may be running."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o755)
    draft.replace(path)


def segment(
    client: Dialled, to: IPv4Address, sequence: int, acknowledged: int, flags: int, content: bytes = b""
) -> bytes:
    """Return a segment of TCP to port 23 (RFC 9293 section 3.1)."""

    def written(total: int) -> bytes:
        head = struct.pack(">HHIIBBHHH", 40001, 23, sequence, acknowledged, 0x50, flags, 8192, total, 0)
        return head + content

    pseudo = client.address.packed + to.packed + struct.pack(">BBH", 0, 6, 20 + len(content))
    whole = pseudo + written(0)
    return written(checksum(whole + b"\0" * (len(whole) % 2)))
