"""Whether a name leads to this machine, and the ways there work."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

import pytest

from agent.dns.exchange import Budget, Unanswered
from agent.sources.acme.preflight.findings import Finding
from agent.sources.acme.preflight.reach import PortState, judge, try_port, ways

NAME = "gw.example.com"
IPV4, OTHER_IPV4 = "93.184.216.34", "93.184.216.99"
IPV6, OTHER_IPV6 = "2606:2800::1", "2606:2800::99"
PRIVATE = ("127.0.0.1", "192.168.1.1", "::1", "fd00::1")


def found(addresses: list[str], own: list[str], port_states: Mapping[str, PortState] | None = None) -> list[Finding]:
    return list(judge(NAME, ways(addresses, own), port_states or {}))


def budget(seconds: float = 20, *, cancelled: bool = False) -> Budget:
    return Budget(time.monotonic() + seconds, lambda: cancelled)


@pytest.mark.parametrize(
    ("addresses", "own"),
    [
        ([IPV4], [IPV4]),
        ([IPV4, IPV6], [IPV4, IPV6]),
        ([IPV4, OTHER_IPV4], [IPV4]),
        ([IPV6], [IPV6]),
        ([IPV4], [*PRIVATE]),
        ([IPV4, IPV6], [*PRIVATE, IPV6]),
        (["10.0.0.5", "fd00::5"], [IPV4, *PRIVATE]),
        ([], [IPV4]),
    ],
)
def test_names_that_lead_here_or_may(addresses: list[str], own: list[str]):
    assert found(addresses, own) == []


def test_a_name_that_leads_to_another_public_address_is_a_warning():
    (finding,) = found([OTHER_IPV4], [IPV4, *PRIVATE])
    assert (finding.code, finding.certain, finding.note) == ("elsewhere", False, False)
    assert finding.cause == f"{NAME} points to {OTHER_IPV4}, not to a public address of this machine ({IPV4})."


def test_both_families_that_lead_elsewhere_are_one_warning():
    (finding,) = found([OTHER_IPV4, OTHER_IPV6], [IPV4, IPV6], {OTHER_IPV6: PortState.OPEN})
    assert f"{OTHER_IPV4}, {OTHER_IPV6}, not to" in finding.cause


def test_ipv6_that_leads_elsewhere_is_a_warning_even_if_ipv4_leads_here():
    (finding,) = found([IPV4, OTHER_IPV6], [IPV4, IPV6], {OTHER_IPV6: PortState.OPEN})
    assert finding.code == "elsewhere"


@pytest.mark.parametrize("port_state", [PortState.SILENT, PortState.CLOSED])
def test_ipv6_that_leads_elsewhere_and_does_not_answer_is_told_as_that(port_state: PortState):
    (finding,) = found([IPV4, OTHER_IPV6], [IPV4, IPV6], {OTHER_IPV6: port_state})
    assert finding.code == "ipv6_silent"
    assert finding.cause == (
        f"{NAME} has the AAAA record {OTHER_IPV6}, which is not this machine and does not answer on port 80; "
        "CAs prefer IPv6."
    )


def test_an_aaaa_record_for_a_machine_without_public_ipv6_is_a_warning():
    (finding,) = found([IPV4, IPV6], [IPV4, *PRIVATE])
    assert finding.code == "ipv6_missing"
    assert finding.cause == (
        f"{NAME} has the AAAA record {IPV6}, but this machine has no public IPv6 address; CAs prefer IPv6."
    )


@pytest.mark.parametrize(
    ("port_state", "codes"), [(PortState.SILENT, ["hairpin"]), (PortState.CLOSED, []), (PortState.OPEN, [])]
)
def test_nat_without_hairpin_is_only_worth_a_note(port_state: PortState, codes: list[str]):
    findings = found([IPV4], [*PRIVATE], {IPV4: port_state})
    assert [each.code for each in findings] == codes
    assert all(each.note for each in findings)


def test_ports_are_tried_only_where_the_answer_tells_something():
    assert ways([IPV4, OTHER_IPV4, IPV6], [*PRIVATE]).untried == (IPV4,)
    assert ways([IPV4, OTHER_IPV6], [IPV4, IPV6]).untried == (OTHER_IPV6,)
    assert ways([IPV4, IPV6], [IPV4, IPV6]).untried == ()


# Knocking


def test_a_port_where_somebody_listens_is_open():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert try_port("127.0.0.1", listener.getsockname()[1], budget()) is PortState.OPEN


def test_a_port_where_nobody_listens_is_closed():
    with socket.socket(socket.AF_INET6) as reserved:
        reserved.bind(("::1", 0))
        assert try_port("::1", reserved.getsockname()[1], budget()) is PortState.CLOSED


def test_a_port_at_which_everything_is_dropped_is_silent():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as one, socket.socket() as two:
        for each in (one, two):  # the queue of who waits is full: the kernel drops what else comes
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        assert try_port("127.0.0.1", full.getsockname()[1], budget(), patience=0.3) is PortState.SILENT


def test_a_network_that_can_not_be_reached_is_silent():
    assert try_port("255.255.255.255", 80, budget()) is PortState.SILENT


@pytest.mark.parametrize("spent", [budget(-1), budget(cancelled=True)])
def test_without_time_no_port_is_tried(spent: Budget):
    with pytest.raises(Unanswered):
        try_port("127.0.0.1", 1, spent)
