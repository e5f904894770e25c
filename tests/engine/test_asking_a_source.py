"""A source beyond the network: a local chain serves at once, the order runs beside it, its chain takes over."""

import pytest

from agent.model.binding import LadderPosition
from agent.model.deployment import Outcome
from support.appliances.deployed import Deployed, served
from support.paths import DYING
from support.ports import free_port
from support.processes import prepared
from support.waiting import until


def write_settings(appliance: Deployed, *, domain: str = "t.example.com", more: str = "") -> None:
    appliance.settings(
        f'hostname = "gw"\nplugins.slow.enabled = true\nsources = ["uploaded", "slow", "local"]\n[probe]\ntimeout = 3\n'
        f'[modules.tunnel]\nport = {appliance.port}\ndomain = "{domain}"\n[source.slow]\n{more}\n'
    )


@pytest.fixture
def asked(appliance):
    appliance.drop_in("tunnel")
    appliance.drop_in("slow")
    appliance.port = free_port()
    write_settings(appliance)
    return appliance


def bring_up(appliance: Deployed) -> None:
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()


def binding(appliance: Deployed):
    with appliance.store() as store:
        return store.modules.bindings()[0]


def record(appliance: Deployed):
    with appliance.store() as store:
        return next((each for each in store.chains.records() if each.id == binding(appliance).chain), None)


def orders(appliance: Deployed):
    with appliance.store() as store:
        return store.orders.records()


def test_the_local_chain_is_deployed_before_the_source_is_asked(asked):
    asked.apply()
    kinds = [event.kind for event in asked.events]
    assert kinds.index("waiting") < kinds.index("order_started")
    assert record(asked).source == "local"
    assert binding(asked).standing is LadderPosition.FALLBACK


def test_a_failure_stays_with_its_reason_and_its_next_try(asked):
    bring_up(asked)
    order = orders(asked)[0]
    assert order.attempts == 1
    assert order.problem["cause"] == "The CA is busy."
    assert binding(asked).reason.startswith("local until slow delivers: The CA is busy, next try 20")


def test_it_is_not_asked_again_before_its_time(asked):
    bring_up(asked)
    asked.events.clear()
    asked.apply()
    assert not any(event.kind == "order_started" for event in asked.events)


def test_it_fails_twice_is_killed_resumes_and_delivers(asked):
    bring_up(asked)
    asked.clock.advance(seconds=31)
    asked.apply()
    assert orders(asked)[0].attempts == 2
    asked.clock.advance(seconds=31)
    argv = [DYING, asked.root, "validated", str(asked.clock.offset.total_seconds())]
    assert prepared.run(argv).returncode == 9
    with asked.store() as store:
        saved = store.orders.saved(orders(asked)[0].request, "slow")
    assert saved == {"tries": 3, "order": "order-1"}
    asked.apply()
    assert record(asked).source == "slow"
    assert binding(asked).standing is LadderPosition.WANTED
    assert served(asked.port, "t.example.com") == binding(asked).chain
    assert orders(asked) == []
    assert any(event.text == "order-1" for event in asked.events)


def test_the_new_chain_is_deployed_with_one_reload(asked):
    write_settings(asked, more="failures = 0")
    asked.apply()
    asked.start("toyd", asked.layout.module("tunnel").live / "toyd.conf")
    asked.apply()
    assert served(asked.port, "t.example.com") == binding(asked).chain
    assert record(asked).source == "slow"
    asked.runner.ran.clear()
    asked.clock.advance(days=21)
    asked.apply()
    assert record(asked).source == "slow"
    assert asked.runner.count("SIGHUP") == 1
    assert asked.deployment("tunnel").outcome is Outcome.LIVE


def test_a_name_that_it_can_not_serve_is_local_by_design(asked):
    write_settings(asked, domain="printer.lan")
    asked.apply()
    assert binding(asked).standing is LadderPosition.BY_DESIGN
    assert binding(asked).reason == "local by design: slow: printer.lan is a local name"
    assert not any(event.kind == "order_started" for event in asked.events)


def test_other_settings_of_the_source_let_it_be_asked_at_once(asked):
    bring_up(asked)
    write_settings(asked, more="failures = 0")
    asked.apply()
    assert record(asked).source == "slow"


def test_a_source_that_crashes_is_named_and_asked_again_later(asked):
    plugin = asked.layout.plugins / "slow.py"
    plugin.write_text(plugin.read_text().replace("tries = int(", "tries = 1 / 0 + int("))
    asked.apply()
    problem = orders(asked)[0].problem
    assert problem["code"] == "source.crashed"
    assert problem["cause"] == "The source failed in a way it does not explain: ZeroDivisionError: division by zero."
    assert problem["retry_at"] is not None
    assert record(asked).source == "local"


def test_a_source_that_returns_no_chain_has_failed(asked):
    plugin = asked.layout.plugins / "slow.py"
    text = plugin.read_text().replace("failures: int = 2", "failures: int = 0")
    plugin.write_text(text.replace("return session.issue(request, timedelta(days=30))", 'return "a chain"'))
    asked.apply()
    problem = orders(asked)[0].problem
    assert problem["code"] == "source.crashed"
    assert problem["cause"].endswith("it returned an object of type str, not a Chain.")
    assert record(asked).source == "local"


def test_what_an_order_brought_and_could_not_be_stored_is_stored_by_the_next_pass(asked):
    write_settings(asked, more="failures = 0")
    engine = asked.engine()
    engine.run_pass(wait=0)
    until(lambda: engine.workers.all_delivered, what="the order has ended")

    with pytest.raises(OSError, match="full"), engine.workers.ended():
        raise OSError("the disk is full")
    assert engine.workers.busy
    engine.run_pass(wait=0)
    assert not engine.workers.busy
    assert record(asked).source == "slow"


def test_an_order_that_takes_too_long_goes_on_in_the_next_run(asked):
    write_settings(asked, more="failures = 0")
    plugin = asked.layout.plugins / "slow.py"
    text = plugin.read_text()
    waiting = '''if tries == 1:
            session.wait(600)
            if session.cancelled:
                from chainwright import OrderCancelled
                raise OrderCancelled("slow")
        session.progress("validated"'''
    plugin.write_text(text.replace('session.progress("validated"', waiting))
    result = asked.apply(timeout=1)
    assert result.unfinished
    assert record(asked).source == "local"
    result = asked.apply(timeout=60)
    assert not result.unfinished
    assert record(asked).source == "slow"
