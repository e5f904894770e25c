"""A zone that can't be written: what ``acme check`` and the status say before the first order, after it, and once it can."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.appliances.wild import Wild
from support.servers.zones import Zones

ZONE = "refused-records.test"
OWNER = f"_acme-challenge.{ZONE}"


@pytest.fixture
def appliance(pebble_with, zones: Zones) -> Iterator[Wild]:
    """A site that is not applied yet."""
    zones.add(ZONE, secondary=False)
    acme = {"challenges": ["dns-01"], "resolvers": zones.place}
    with Wild.make(ca=pebble_with(dns_place=zones.place), sites=(ZONE,), acme=acme, zones=zones) as made:
        made.configure()
        yield made


def test_why_the_last_order_failed_is_said_beside_what_can_be_seen(appliance: Wild, zones: Zones):
    with zones.bind9.frozen(ZONE):
        appliance.apply()
        appliance.apply()
        seen = appliance.terminal.run("acme", "check", f"*.{ZONE}")
        findings = appliance.terminal.json("status")["findings"]
    told = seen.stdout.splitlines()
    cause = f'The DNS server refuses to let the key "agent" change {OWNER} in the zone {ZONE}.'
    assert told[0] == "Nothing was found that would keep the CA from issuing."
    assert told[1].startswith("failed  the last order (")
    assert told[1].endswith(f": {cause}")
    assert told[2].startswith("        Allow this key TXT records of these names")
    assert [line.split() for line in told[3:]] == [
        ["NAME", "METHOD", "OUTLOOK"],
        [f"*.{ZONE}", "dns-01", *f"works, if [dns.zone] can write the TXT record {OWNER}".split()],
    ]
    assert [each["problem"]["cause"] for each in findings if each["problem"]["code"].startswith("source.")] == [cause]
    assert appliance.terminal.run("renew").returncode == 0, "what a person has mended is tried at once"
    appliance.assert_certified(ZONE)
    assert "failed" not in appliance.terminal.run("acme", "check", f"*.{ZONE}").stdout
    assert (appliance.values, appliance.kept) == ([], 0)
