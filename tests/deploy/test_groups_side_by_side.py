"""Groups of services are deployed in threads of their own, and what refuses in one costs no other."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.model.deployment import Outcome
from agent.operations.reissue import reissue
from support.appliances.deployed import Deployed, served
from support.ports import free_port

MODULES = ("one", "two", "three")


@pytest.fixture
def tunnels(appliance: Deployed) -> Deployed:
    """An appliance with modules of the same plugin, each with a daemon of its own."""
    appliance.drop_in("tunnel")
    plugin = appliance.layout.plugins / "tunnel.py"
    plugin.write_text(plugin.read_text().replace('"toyd.pid"', 'f"{context.module}.pid"'))
    appliance.ports = {name: free_port() for name in MODULES}
    appliance.settings(
        'hostname = "gw"\n[probe]\ntimeout = 3\n'
        + "".join(
            f'[modules.{name}]\nplugin = "tunnel"\nport = {port}\ndomain = "{name}.example.test"\n'
            for name, port in appliance.ports.items()
        )
    )
    appliance.apply()
    for name in MODULES:
        appliance.start(name, appliance.layout.module(name).live / "toyd.conf")
    appliance.apply()
    return appliance


def serving(appliance: Deployed) -> dict[str, str]:
    return {name: served(port, f"{name}.example.test") for name, port in appliance.ports.items()}


@pytest.mark.parametrize("refusing", [MODULES[:1], MODULES[:2], MODULES], ids=len)
def test_services_that_refuse_at_the_same_time_keep_what_they_have_and_the_others_go_on(tunnels, refusing):
    before = serving(tunnels)
    assert "" not in before.values()
    for name in refusing:
        tunnels.control(name).write_text("ignore")
    tunnels.change(reissue)
    tunnels.apply()
    after = serving(tunnels)
    assert {name for name in MODULES if after[name] == before[name]} == set(refusing)
    for name in MODULES:
        expected = Outcome.ROLLED_BACK if name in refusing else Outcome.LIVE
        assert tunnels.deployment(name).outcome is expected, name


def test_services_that_refuse_at_the_same_time_with_nothing_to_go_back_to_are_given_what_is_next(tunnels):
    for name in MODULES:
        tunnels.control(name).write_text("ignore")
    tunnels.clock.advance(days=400)
    tunnels.apply()
    assert {tunnels.deployment(name).outcome for name in MODULES} == {Outcome.BROKEN}
    for name in MODULES:
        tunnels.control(name).unlink()
    tunnels.clock.advance(minutes=2)
    before = serving(tunnels)
    tunnels.apply()
    after = serving(tunnels)
    assert all(after[name] not in {"", before[name]} for name in MODULES)


def test_what_belongs_to_another_thread_is_refused_even_where_there_is_one_group(tunnels):
    with tunnels.store() as store, ThreadPoolExecutor(1) as pool, pytest.raises(sqlite3.ProgrammingError):
        pool.submit(store.chains.records).result()
    threads = set()
    runner = tunnels.runner.run
    tunnels.runner.run = lambda action: threads.add(threading.get_ident()) or runner(action)
    tunnels.change(reissue, ["one.example.test"])
    tunnels.apply()
    assert threads
    assert threading.get_ident() not in threads
