"""What a pass tells of plugins beside their answers: many needs, a wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.config.loading import load
from agent.contract.source import Due, Offer, Source
from agent.engine.bus import Bus
from agent.engine.conditions import of_many_needs
from agent.engine.orders import obtain_at_once
from agent.engine.unchanged_settings import Loaded
from agent.engine.workers import Workers
from agent.errors.plugin import DeclarationRefused
from agent.model.events import EventKind
from agent.model.finding import Severity
from agent.model.need import HostFacts, Need, Request
from agent.pki.chain import KeyType, Purpose
from agent.planning import Obtain
from agent.registry.discovery import candidates, culprits_of
from agent.registry.guard import Guard
from agent.registry.hooks import Hooks
from agent.registry.life_hooks import MANY_NEEDS, MOST_NEEDS
from agent.registry.sources import SourceHandle
from agent.sources import BUILT_IN
from agent.store import Store
from agent.system.layout import Layout
from chainwright import Http01, Module, hookimpl
from support.appliances.deployed import Deployed

NOW = datetime(2026, 11, 29, tzinfo=UTC)
HOST = HostFacts(name="gw", addresses=("192.0.2.1",))
SLOW = """
import time
from chainwright import ChainFile, Module, Part, hookimpl

class Slow(Module):
    "Takes its time."

    name = "slow"
    files = (ChainFile(path="slow.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    reload = ("true",)
    unprobed = "nothing listens"
    seconds: float = 0.0

    def declare_needs(self, host):
        time.sleep(self.seconds)
        return [self.need("a.test")]

@hookimpl
def register_modules():
    return [Slow]
"""


class Many(Module):
    """Asks for many chains."""

    name = "many"
    count: int

    def declare_needs(self, host: HostFacts) -> list[Need]:
        return [self.need(f"n{number}.test", slot=f"s{number}") for number in range(self.count)]


def needs_of(count: int) -> list[Need]:
    module = Many(count=count)
    return Hooks({"many": module}, {}).declare_needs(module, HOST)


def test_a_module_with_many_needs_is_told_and_one_with_too_many_is_refused():
    assert list(of_many_needs(needs_of(MANY_NEEDS))) == []
    (found,) = of_many_needs(needs_of(MANY_NEEDS + 1))
    assert (found.severity, found.subject) == (Severity.NOTICE, "many")
    assert found.problem.lines() == [
        "many: It asks for 5001 chains: passes take long, and more than 20000 of one module are refused.",
        "Take names together in one chain, or divide them among several modules; see them: chainwright show many",
    ]
    assert len(needs_of(MOST_NEEDS)) == MOST_NEEDS
    with pytest.raises(DeclarationRefused) as caught:
        needs_of(MOST_NEEDS + 1)
    place = caught.value.place
    assert str(caught.value) == (
        f"many ({place}): The plugin's answer to declare_needs can't be used: it has more than 20000 members.\n"
        "Its last generation stays in place, the others go on. Update the plugin; chainwright plugins names its distribution."
    )
    assert place.startswith(__file__)


def short(layout: Layout) -> Loaded:
    """Load with a guard that waits for little."""
    guard = Guard(culprits_of(candidates(layout)), patience=0.05, most=0.3, say=lambda _text: None)
    return load(layout, BUILT_IN, guard=guard)


def install(box: Deployed, name: str, source: str) -> None:
    (box.layout.plugins / f"{name}.py").write_text(source)


def test_what_a_pass_waits_for_is_an_event_of_its_job(appliance: Deployed):
    install(appliance, "slow", SLOW)
    appliance.loader = short
    appliance.settings('hostname = "gw"\n[modules.slow]\nseconds = 0.15\n')
    engine = appliance.engine()
    engine.job = "1234"
    engine.apply()
    assert engine.hung == []
    told = [each for each in appliance.events if each.kind is EventKind.PLUGIN_AWAITED]
    line = next(number for number, each in enumerate(SLOW.splitlines(), 1) if "time.sleep" in each)
    assert {(each.text, each.job) for each in told} == {
        (f"waiting for plugin slow: declare_needs (line {line})", "1234")
    }
    with Store.open_existing(appliance.layout) as store:
        assert [each.job for each in store.journal.since() if each.kind is EventKind.PLUGIN_AWAITED]


SLOW_AT_FIRST = SLOW.replace(
    "    def declare_needs",
    """    @field_validator("seconds")
    @classmethod
    def slowly(cls, seconds):
        time.sleep(0.15)
        return seconds

    def declare_needs""",
).replace("import time\n", "import time\nfrom pydantic import field_validator\ntime.sleep(0.15)\n")


def test_what_is_waited_for_while_plugins_are_loaded_is_told_like_the_rest(appliance: Deployed):
    install(appliance, "slow", SLOW_AT_FIRST)
    appliance.loader = short
    appliance.settings('hostname = "gw"\n[modules.slow]\nseconds = 0\n')
    engine = appliance.engine()
    engine.job = "1234"
    engine.apply()
    lines = [number for number, each in enumerate(SLOW_AT_FIRST.splitlines(), 1) if "time.sleep(0.15)" in each]
    told = [(each.text, each.job) for each in appliance.events if each.kind is EventKind.PLUGIN_AWAITED]
    assert list(dict.fromkeys(told)) == [
        (f"waiting for plugin slow: its import (line {lines[0]})", "1234"),
        (f"waiting for plugin slow: the validation of its settings (line {lines[1]})", "1234"),
    ]


def test_an_engine_names_the_plugins_that_did_not_answer(appliance: Deployed):
    install(appliance, "slow", SLOW)
    appliance.loader = short
    appliance.settings('hostname = "gw"\n[modules.slow]\nseconds = 60\n')
    engine = appliance.engine()
    engine.apply()
    assert engine.hung == ["slow"]


class Dawdling(Source):
    """Says that it needs no network, and takes its time."""

    name = "dawdling"
    immediate = True

    def offers(self, request, state) -> Offer:
        return Offer(serves=True)

    def due(self, request, state, now) -> Due:
        return Due(at=NOW, reason="always")

    def obtain(self, request, context):
        context.memory.write("asked", {"for": min(request.names)})
        context.wait(timedelta(minutes=10).total_seconds())


def test_a_source_that_needs_no_network_does_not_hold_the_lock_for_ever(tmp_path: Path):
    guard = Guard(patience=0.05, most=5, obtaining=0.2, say=lambda _text: None)
    source = SourceHandle(Dawdling(), guard)
    request = Request(names=frozenset({"a.test"}), key_type=KeyType.ECDSA_P256, purpose=Purpose.SERVER)
    with Store.open(Layout(tmp_path), several_threads=True) as store:
        services = Workers(store.layout, Bus(), lambda: NOW).services(Http01(webroot=tmp_path), "job", store)
        asked = [(source, Obtain("dawdling", request, (), "", True))]
        (made,) = obtain_at_once(store, Bus(), asked, services)
        assert store.memories.read("dawdling", "asked") == {"for": "a.test"}
    assert made.error is not None
    assert "it did not come to an end within 0.2 s" in str(made.error)
    assert made.error.retry_at is not None


def test_hooks_name_the_policies_with_what_they_wrap():
    class Policy:
        @hookimpl(wrapper=True)
        def probes(self, asked):
            return (yield)

    assert Hooks({}, {"company": Policy()}).policies() == {"company": ["probes"]}
