"""The way of an administrator who has nothing but a DNS console: from a local wildcard to the CA's, without a command."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from agent.model.binding import LadderPosition
from support.appliances.certified import TRUST, Certified
from support.cas.misbehaving import Misbehaving, Reply
from support.servers.zones import Zones
from support.waiting import until

NUMBERS = itertools.count(1)


@pytest.fixture
def zone(zones: Zones) -> str:
    return zones.add(f"console{next(NUMBERS)}.test")


@pytest.fixture
def appliance(zones: Zones, zone: str, pebble_with: Any) -> Iterator[Certified]:
    """One wildcard site, not applied yet."""
    acme = {"resolvers": zones.place, "dns_port": zones.port}
    with Certified.make(ca=pebble_with(dns_place=zones.place), acme=acme, sites=[f"*.{zone}"]) as made:
        made.configure()
        yield made


def publish(zones: Zones, owner: str, value: str) -> None:
    zones.bind9.update(zones.zone_of(owner), ("delete", owner, "TXT"), ("add", owner, "TXT", f'"{value}"'))
    until(lambda: zones.knot.values(owner, "TXT") == zones.bind9.values(owner, "TXT"), what="the secondary follows")


def test_a_wildcard_is_ordered_by_itself_once_its_record_is_seen(appliance: Certified, zones: Zones, zone: str) -> None:
    appliance.apply()
    slot, name = f"_wildcard.{zone}", f"*.{zone}"
    assert appliance.sources() == {slot: "local"}
    appliance.apply()
    with appliance.store() as store:
        (look,) = store.persistent.all().values()
        (binding,) = store.modules.bindings()
    assert (look.domain, look.names, look.proves) == (zone, (name,), ())
    assert look.problem is not None
    assert look.problem.fix == f"Set this TXT record at {look.record.owner}: {look.value}"
    assert binding.standing is LadderPosition.BY_DESIGN
    assert "chainwright acme persist" in binding.reason
    publish(zones, look.record.owner, look.value)
    appliance.clock.advance(minutes=6)
    appliance.apply()
    appliance.apply()
    appliance.apply()
    assert appliance.sources() == {slot: "acme"}
    with appliance.store() as store:
        (look,) = store.persistent.all().values()
    assert (look.proves, look.seen, look.servers) == ((name,), 2, 2)


def test_a_record_for_the_ca_before_proves_nothing_to_another_one(
    appliance: Certified, zones: Zones, zone: str, pebble_with: Any
) -> None:
    appliance.apply()
    name = f"*.{zone}"
    done = appliance.terminal.run("acme", "persist", name)
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    publish(zones, rows["owner"], rows["value"])
    assert appliance.terminal.run("acme", "persist", name).returncode == 0
    other = pebble_with(dns_place=zones.place)
    appliance.ca = other
    appliance.configure()
    appliance.layout.rooted(TRUST).write_bytes(other.trust_file.read_bytes())
    appliance.apply()
    appliance.apply()
    with appliance.store() as store:
        (look,) = store.persistent.all().values()
        (binding,) = store.modules.bindings()
    assert (look.origin, look.proves) == (other.directory_url, ())
    assert look.problem is not None
    assert look.problem.code == "source.persist_account"
    assert binding.standing is LadderPosition.BY_DESIGN


def test_the_command_shows_the_record_and_whether_it_is_there(appliance: Certified, zones: Zones, zone: str) -> None:
    appliance.apply()
    name = f"*.{zone}"
    done = appliance.terminal.run("acme", "persist", name)
    rows = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert done.returncode == 3
    assert (rows["owner"], rows["type"], rows["state"]) == (f"_validation-persist.{zone}", "TXT", "not seen yet")
    assert rows["value"].startswith("pebble.test; accounturi=https://")
    assert rows["value"].endswith("; policy=wildcard")
    assert rows["line"] == f'{rows["owner"]}. 3600 IN TXT "{rows["value"]}"'
    assert f"{rows['line']} (not seen yet)" in appliance.terminal.run("show", name).stdout
    publish(zones, rows["owner"], rows["value"])
    done = appliance.terminal.run("acme", "persist", name)
    assert (done.returncode, "seen at 2 of 2 servers" in done.stdout) == (0, True)
    appliance.apply()
    assert appliance.sources() == {f"_wildcard.{zone}": "acme"}, "what the person's look has seen counts at once"
    (found,) = appliance.terminal.json("acme", "persist", name, "--until", "2027-03-01")["records"]
    assert found["value"] == f"{rows['value']}; persistUntil=1803859200"
    shown = appliance.terminal.run("acme", "deactivate")
    assert f"Void from then on: the TXT record at {rows['owner']} ({rows['value']})" in shown.stderr


def test_that_nobody_waits_for_a_record_is_said(appliance: Certified, zone: str) -> None:
    appliance.apply()
    other = f"other.{zone}"
    done = appliance.terminal.run("acme", "persist", other, f"*.{zone}")
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("No module")]
    assert (
        told == f"No module asks for a chain of {other}: its record is looked for, and a chain ordered, once one does."
    )
    appliance.acme["names"] = "public"
    appliance.configure()
    done = appliance.terminal.run("acme", "persist", "printer")
    assert done.stderr.splitlines()[0] == "No chain is ordered by it: printer is no public name."
    appliance.acme |= {"names": "any", "challenges": ["http-01"]}
    appliance.configure()
    done = appliance.terminal.run("acme", "persist", other)
    assert (
        done.stderr.splitlines()[0] == "No chain is ordered by it: challenges leaves dns-persist-01 out for 127.0.0.1."
    )


def test_a_record_that_a_console_has_put_below_the_zone_once_more_is_found(
    appliance: Certified, zones: Zones, zone: str
) -> None:
    appliance.apply()
    (record,) = appliance.terminal.json("acme", "persist", f"*.{zone}")["records"]
    doubled = f"{record['owner']}.{zone}"
    publish(zones, doubled, record["value"])
    done = appliance.terminal.run("acme", "persist", f"*.{zone}")
    cause = f"The TXT record for 127.0.0.1 is at {doubled}, where no CA looks for it: it belongs at {record['owner']}."
    fix = f"The DNS console adds the zone's name by itself. Set it there with the name _validation-persist: {record['value']}"
    assert done.stderr == f"{cause}\n{fix}\n"
    assert "there is one that is not right" in done.stdout
    appliance.clock.advance(minutes=6)
    appliance.apply()
    (found,) = [each["problem"] for each in appliance.terminal.json("status")["findings"]]
    assert (found["code"], found["cause"], found["fix"]) == ("status.persist_not_right", cause, fix)


def test_a_record_that_vanishes_is_a_finding_with_the_record_to_set(
    appliance: Certified, zones: Zones, zone: str
) -> None:
    appliance.apply()
    record = appliance.terminal.json("acme", "persist", f"*.{zone}")["records"][0]
    publish(zones, record["owner"], record["value"])
    appliance.terminal.run("acme", "persist", f"*.{zone}")
    appliance.apply()
    publish(zones, record["owner"], f"{record['value']};")
    appliance.clock.advance(hours=7)
    appliance.apply()
    appliance.apply()
    findings = appliance.terminal.json("status")["findings"]
    (found,) = [each["problem"] for each in findings if each["problem"]["code"] == "status.persist_gone"]
    assert found["cause"] == (
        f"127.0.0.1 can't issue by the TXT record at {record['owner']} any longer. The TXT record at {record['owner']} ends "
        "with a semicolon, which not every CA takes."
    )
    assert found["fix"] == f"Set at {record['owner']} the TXT record: {record['value']}"
    assert appliance.sources() == {f"_wildcard.{zone}": "acme"}, "what is served stays"


def test_with_draft_02_another_key_makes_records_void_and_the_new_ones_are_shown(
    zones: Zones, zone: str, pebble_with: Any
) -> None:
    prefix = "https://ca.example/account-hash/"
    ca = Misbehaving(pebble_with(dns_place=zones.place))

    def of_draft_02(reply: Reply) -> Reply:
        body = json.loads(reply.body)
        body["meta"] |= {"accountHashPrefix": prefix, "issuerDomainNames": ["pebble.test"]}
        return replace(reply, body=json.dumps(body).encode())

    ca.edits("/dir", of_draft_02)
    acme = {"resolvers": zones.place, "dns_port": zones.port, "trust": TRUST}
    with closing(ca), Certified.make(ca=ca, acme=acme, sites=[f"*.{zone}"]) as appliance:
        assert ca.trust_file
        appliance.layout.rooted(TRUST).write_bytes(ca.trust_file.read_bytes())
        appliance.configure()
        appliance.apply()
        (before,) = appliance.terminal.json("acme", "persist", f"*.{zone}")["records"]
        assert f"; accounturi={prefix}sha-256/" in before["value"]
        publish(zones, before["owner"], before["value"])
        appliance.terminal.run("acme", "persist", f"*.{zone}")
        done = appliance.terminal.run("acme", "rekey")
        assert f"Void from then on: the TXT record at {before['owner']} ({before['value']})" in done.stderr
        (after,) = appliance.terminal.json("acme", "persist", f"*.{zone}")["records"]
        assert after["value"] != before["value"]
        assert after["line"] in done.stdout
        assert after["problem"]["code"] == "source.persist_account"
