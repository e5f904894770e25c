"""What a look at endpoints tells: a service that has stopped, somebody else's certificate, an address that is broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.engine.recheck import Recheck
from agent.errors.problem import rfc3339
from agent.model.deployment import EndpointRecord, Outcome
from agent.model.events import EventKind
from support.appliances.deployed import Deployed, served
from support.ports import free_port
from support.servers.local import Maker, listening, securing

EVERYWHERE = """
from chainwright import Address, ChainFile, Endpoint, Module, Part, Signal, Template, hookimpl

class Everywhere(Module):
    '''A tunnel that is said to listen at every address, and at one more port.'''

    name = "everywhere"
    files = (ChainFile(path="tunnel.pem", parts=(Part.KEY, Part.FULLCHAIN)), Template(path="toyd.conf"))
    port: int
    domain: str = "t.example.test"
    host: str = "0.0.0.0"
    also: int = 0

    def declare_needs(self, host):
        return [self.need(self.domain)]

    def reload_command(self, context):
        return Signal(context.places.run / "toyd.pid")

    def probes(self, context):
        others = (Address(host="127.0.0.1", port=self.also),) if self.also else ()
        names = (self.domain, "u.example.test")
        return [Endpoint(host=self.host, port=self.port, server_name=name, others=others) for name in names]

@hookimpl
def register_modules():
    return [Everywhere]
"""


def look(appliance: Deployed) -> list[EndpointRecord]:
    """Have a person look; return what is known then."""
    appliance.engine().apply(wait=0, recheck=Recheck.SAMPLE)
    return appliance.records()


def told(appliance: Deployed, kind: EventKind) -> list[str]:
    return [event.text for event in appliance.events if event.kind is kind]


def test_a_service_that_has_served_and_stopped_is_told_with_both_instants_and_what_to_do(tunnel):
    before = tunnel.clock()
    tunnel.stop("toyd")
    (record,) = look(tunnel)
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert record.served_at < before < record.wrong_since
    address = f"127.0.0.1:{tunnel.port}"
    since, until = map(rfc3339, (record.wrong_since, record.served_at))
    assert record.problem.lines() == [
        f"{address} (t.example.test): Nothing listens at {address} since {since}; it served at {until}.",
        "Clients get no answer. See why it ended, and start it: start the service of tunnel",
    ]
    assert told(tunnel, EventKind.DRIFT) == [record.problem.cause]


def test_the_instants_stay_and_it_is_told_once_while_it_does_not_come_back(tunnel):
    tunnel.stop("toyd")
    (first,) = look(tunnel)
    (second,) = look(tunnel)
    assert (second.wrong_since, second.served_at) == (first.wrong_since, first.served_at)
    assert second.checked_at > first.checked_at
    assert len(told(tunnel, EventKind.DRIFT)) == 1


def test_a_service_that_comes_back_is_well_again(tunnel):
    tunnel.stop("toyd")
    look(tunnel)
    tunnel.start("toyd", tunnel.live("tunnel") / "toyd.conf")
    (record,) = look(tunnel)
    assert (record.ok, record.problem, record.wrong_since) == (True, None, None)
    assert record.served_at == record.checked_at
    assert told(tunnel, EventKind.DEPLOYED)[-1] == "it is served again"


def test_a_service_that_was_never_started_waits(appliance):
    appliance.drop_in("tunnel")
    appliance.settings(f'[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n')
    appliance.apply()
    (record,) = look(appliance)
    assert appliance.deployment("tunnel").outcome is Outcome.WAITING
    assert record.served_at is None


def test_a_new_chain_for_a_service_that_has_stopped_waits_and_the_stop_is_still_told(tunnel):
    tunnel.stop("toyd")
    (stopped,) = look(tunnel)
    tunnel.renew()
    tunnel.apply()
    (record,) = tunnel.records()
    assert tunnel.deployment("tunnel").outcome is Outcome.WAITING
    assert record.chain != stopped.chain
    assert (record.stopped, record.served_at) == (True, stopped.served_at)


def test_somebody_else_s_certificate_is_named_with_the_process(tunnel, tmp_path):
    tunnel.stop("toyd")
    (tmp_path / "other").mkdir()
    material = Maker(tmp_path / "other").make("old.example.test")
    with listening(securing(material.context), port=tunnel.port):
        (record,) = look(tunnel)
    name = Path("/proc/self/comm").read_text().strip()
    assert record.problem.code == "deploy.other_certificate"
    assert record.problem.cause.startswith(
        f'Somebody else\'s certificate is served at 127.0.0.1:{tunnel.port}: "old.example.test", '
        'issued by "Toy Intermediate", valid until '
    )
    assert record.problem.cause.endswith(f"; {name} (pid {os.getpid()}) listens there.")
    assert record.problem.fix == (
        f"Look who listens (ss -ltnp sport = :{tunnel.port}) and end it or give it another port, "
        "then: start the service of tunnel"
    )


def test_an_older_chain_of_ours_is_not_somebody_else_s(tunnel):
    tunnel.control("toyd").write_text("ignore")
    old = served(tunnel.port)
    tunnel.renew()
    tunnel.apply()
    (record,) = tunnel.records()
    assert served(tunnel.port) == old
    assert record.problem is None or record.problem.code == "deploy.wrong_chain"


@pytest.fixture
def everywhere(appliance: Deployed) -> Deployed:
    """An appliance whose daemon is said to listen at every IPv4 address, and listens on the loopback only."""
    appliance.drop_in("tunnel")
    (appliance.layout.plugins / "everywhere.py").write_text(EVERYWHERE)
    appliance.port = free_port()
    return appliance


def bring_up(appliance: Deployed, more: str = "") -> None:
    appliance.settings(f"[modules.everywhere]\nport = {appliance.port}\n{more}\n")
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("everywhere").live / "toyd.conf")
    appliance.apply()
    assert appliance.deployment("everywhere").outcome is Outcome.LIVE


def test_every_address_of_a_wildcard_is_looked_at_and_the_one_that_is_broken_is_named(everywhere):
    bring_up(everywhere, f"also = {free_port()}")
    records = look(everywhere)
    first = [each for each in records if not each.further]
    assert [(each.address, each.ok) for each in first] == [(f"127.0.0.1:{everywhere.port}", True)] * 2
    others = {each.address: each for each in records if each.further}
    assert others
    assert not any(each.ok for each in others.values())
    assert not any(address.startswith("[") for address in others)
    assert {each.server_name for each in others.values()} == {"t.example.test"}


def test_what_is_wrong_at_a_further_address_neither_stops_a_renewal_nor_is_repaired_all_the_time(everywhere):
    bring_up(everywhere, f"also = {free_port()}")
    look(everywhere)
    before = everywhere.deployment("everywhere")
    everywhere.renew()
    everywhere.apply()
    after = everywhere.deployment("everywhere")
    assert (after.outcome, after.generation) == (Outcome.LIVE, before.generation + 1)
    assert everywhere.engine().plan().actions == ()
