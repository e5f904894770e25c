"""Pins of uploaded chains: set, shown, moved and taken back, and the findings where one can't be used."""

from datetime import timedelta

import pytest

from agent.auth import Accounts
from agent.auth.person import Actor
from agent.errors.pins import NotPinned, PinMoved, PinnedInSettings, PinUnusable
from agent.errors.usage import UnknownModule, UnknownSlot
from agent.operations.locked_state import locked_state
from agent.operations.pins import pin, unpin
from agent.operations.uploads import delete_upload, store_upload
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from agent.report import read_snapshot, report
from support.appliances.deployed import served

NAME = "t.example.test"
PLACE = ("tunnel", "default")


def bought(appliance, *names, days=300):
    now = appliance.clock()
    root = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    return root.issue(names or (NAME,), KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=days))


def uploaded(appliance, *names, **more):
    chain = bought(appliance, *names, **more)
    appliance.change(store_upload, chain, keep_unused=True)
    return chain


def pins(appliance):
    with appliance.store() as store:
        return {each.key: each.chain for each in store.pins.all()}


def findings(appliance):
    """Return subject, severity and lines of each finding about a pin."""
    now = appliance.clock()
    found = report(read_snapshot(appliance.layout, now), now).findings
    return [
        (each.subject, str(each.severity), *each.problem.lines())
        for each in found
        if each.problem.code.startswith("pin.")
    ]


def test_a_pin_puts_an_older_upload_into_service_and_is_taken_back(tunnel):
    old, new = uploaded(tunnel, days=100), uploaded(tunnel)
    tunnel.apply()
    assert served(tunnel.port, NAME) == new.id
    with locked_state(tunnel.engine(), actor=Actor("ann", "192.0.2.7")) as state:
        (switch,) = pin(state, *PLACE, old.id)
    assert (switch.after, switch.reason) == (old.id, f"uploaded, covers {NAME}, pinned")
    tunnel.apply()
    assert served(tunnel.port, NAME) == old.id
    assert pins(tunnel) == {PLACE: old.id}
    assert findings(tunnel) == []
    with locked_state(tunnel.engine(), actor=Actor("ann", "192.0.2.7")) as state:
        (switch,) = unpin(state, *PLACE)
    assert switch.after == new.id
    tunnel.apply()
    assert served(tunnel.port, NAME) == new.id
    assert pins(tunnel) == {}
    with tunnel.store() as store:
        rows = [(row.who, row.action, row.subject, row.detail) for row in Accounts(store).audits()]
        told = [(event.module, event.text) for event in store.journal.since() if "pin" in event.kind]
    assert rows == [
        ("ann", "pin taken back", "tunnel/default", old.id),
        ("ann", "chain pinned", "tunnel/default", old.id),
    ]
    assert told == [
        ("tunnel", f"{old.id[:12]} is pinned for default"),
        ("tunnel", f"the pin of {old.id[:12]} for default was taken back"),
    ]


def test_a_pin_goes_over_to_what_replaces_its_chain_and_goes_with_it(tunnel):
    old, new = uploaded(tunnel, days=100), bought(tunnel, days=50)
    uploaded(tunnel)
    tunnel.change(pin, *PLACE, old.id)
    effects = tunnel.change(store_upload, new, replace=old.id)
    assert [each.after for each in effects.switches] == [new.id]
    assert pins(tunnel) == {PLACE: new.id}
    tunnel.change(delete_upload, new.id, confirmed=True)
    assert pins(tunnel) == {}


@pytest.mark.parametrize(
    ("place", "kind", "lines"),
    [
        (("tunel", "default"), UnknownModule, ['There is no module "tunel" in the settings. Did you mean "tunnel"?']),
        (("tunnel", "x"), UnknownSlot, ['tunnel has no slot "x".']),
        (
            PLACE,
            PinUnusable,
            [
                "chain ID: The chain can't be pinned for tunnel/default: it does not cover t.example.test.",
                "See what could serve there: chainwright explain tunnel default",
            ],
        ),
    ],
)
def test_what_can_not_be_pinned_is_refused(tunnel, place, kind, lines):
    other = uploaded(tunnel, "www.elsewhere.test")
    with pytest.raises(kind) as caught:
        tunnel.change(pin, *place, other.id)
    assert [line.replace(other.id[:12], "ID") for line in caught.value.problem.lines()][: len(lines)] == lines
    assert pins(tunnel) == {}


def test_a_chain_of_another_source_can_not_be_pinned(tunnel):
    (local,) = tunnel.chains("tunnel").values()
    with pytest.raises(PinUnusable) as caught:
        tunnel.change(pin, *PLACE, local)
    assert 'only uploaded chains can be pinned, and it is of the source "local"' in str(caught.value)


def test_there_is_nothing_to_take_back(tunnel):
    with pytest.raises(NotPinned) as caught:
        tunnel.change(unpin, *PLACE)
    assert caught.value.problem.lines() == [
        "No chain is pinned for tunnel/default.",
        "Pin one: chainwright pin tunnel default CHAIN",
    ]


def test_the_pin_of_another_chain_than_the_one_that_is_meant_stays(tunnel):
    first, second = (uploaded(tunnel, days=days).id for days in (300, 200))
    tunnel.change(pin, *PLACE, second)
    with pytest.raises(PinMoved) as caught:
        tunnel.change(unpin, *PLACE, first)
    assert caught.value.problem.lines() == [
        f"chain {first[:12]}: {second[:12]} is pinned for tunnel/default by now, not {first[:12]}; nothing was changed.",
        "Take that one's pin back: chainwright unpin tunnel default",
    ]
    assert pins(tunnel) == {PLACE: second}
    tunnel.change(unpin, *PLACE, second)
    assert pins(tunnel) == {}


def pin_in_the_settings(appliance, text):
    settings = appliance.layout.settings
    settings.write_text(settings.read_text().replace("[modules.tunnel]\n", f'[modules.tunnel]\npin = "{text}"\n'))


def test_a_pin_in_the_settings_goes_first_and_is_changed_there(tunnel):
    old = uploaded(tunnel, days=100)
    tunnel.change(pin, *PLACE, old.id)
    new = uploaded(tunnel)
    pin_in_the_settings(tunnel, new.id[:12])
    tunnel.apply()
    assert served(tunnel.port, NAME) == new.id
    assert findings(tunnel) == [
        (
            "tunnel/default",
            "notice",
            f'tunnel/default: The settings pin "{new.id[:12]}" for tunnel/default, so the pin of {old.id[:12]} is not used.',
            "Take the pin back: chainwright unpin tunnel default",
        )
    ]
    with pytest.raises(PinnedInSettings) as caught:
        tunnel.change(pin, *PLACE, old.id)
    cause, fix = caught.value.problem.lines()
    assert cause == (
        f'[modules.tunnel]: The settings pin "{new.id[:12]}" for tunnel/default, which goes before a pin by command; '
        "nothing was changed."
    )
    assert fix == "Change or remove `pin` there, then: chainwright apply"
    tunnel.change(unpin, *PLACE)
    assert findings(tunnel) == []


def test_a_pin_in_the_settings_that_names_nothing_is_a_finding(tunnel):
    pin_in_the_settings(tunnel, "beef")
    tunnel.apply()
    fix = "Change or remove `pin` in [modules.tunnel], then: chainwright apply"
    cause = '[modules.tunnel]: The settings pin "beef", and there is no such chain.'
    assert findings(tunnel) == [("tunnel/default", "warning", cause, fix)]


def test_a_pinned_chain_that_has_ended_is_a_finding_and_the_next_one_serves(tunnel):
    ends, other = uploaded(tunnel, days=10), uploaded(tunnel)
    tunnel.change(pin, *PLACE, ends.id)
    tunnel.clock.advance(days=11)
    tunnel.apply()
    assert served(tunnel.port, NAME) == other.id
    ((subject, severity, cause, fix),) = findings(tunnel)
    assert (subject, severity) == ("tunnel/default", "warning")
    assert cause.startswith(
        f"tunnel/default: The chain {ends.id[:12]} that is pinned for tunnel/default can't serve: it is good from "
    )
    assert fix == "Take the pin back: chainwright unpin tunnel default"


def test_a_pin_whose_chain_is_gone_or_for_which_nobody_asks_any_more(tunnel):
    chain = uploaded(tunnel)
    tunnel.change(pin, *PLACE, chain.id)
    with tunnel.store() as store, store.write():
        store.chains.delete(chain.id)
    assert [found[1:3] for found in findings(tunnel)] == [
        ("warning", f"tunnel/default: The chain {chain.id[:12]} that is pinned for tunnel/default is gone.")
    ]
    settings = tunnel.layout.settings
    settings.write_text(settings.read_text().replace("[modules.tunnel]", "[modules.other]\nplugin = 'tunnel'"))
    tunnel.apply()
    assert [found[1:3] for found in findings(tunnel)] == [
        ("notice", f"tunnel/default: The chain {chain.id[:12]} is pinned for tunnel/default, which asks for none.")
    ]
