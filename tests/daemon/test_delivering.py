"""Observers and notifiers are told of the stored events, each at its own pace, and nothing waits for them."""

import signal
from textwrap import dedent

import pytest

from agent.daemon import delivery
from agent.daemon.delivery_supervisor import PROGRAM
from agent.model.delivery import MOST_BEHIND, PAUSES
from agent.model.deployment import Outcome
from agent.model.events import Event, EventKind
from agent.system.lock import held
from support.clients.terminal import Terminal
from support.processes import prepared
from support.told import codes, told
from support.waiting import until

HEADER = 'hostname = "gw"\n[probe]\ntimeout = 3\n'

OBSERVER = """
from pathlib import Path
from chainwright import hookimpl

@hookimpl
def on_event(event):
    with Path("{root}/{name}.told").open("a") as file:
        file.write(f"{{event.id}} {{event.kind}}\\n")
    {then}
"""
NOTIFIER = """
import time
from pathlib import Path
from chainwright import Notifier, PluginSettings, Secret, hookimpl

class Pager(Notifier):
    name = "pager"
    seconds = 0.3
    kinds: tuple[str, ...] = ("pass_ended",)

    def wants(self, event):
        return event.kind in self.kinds

    def send(self, event, context):
        with Path("{root}/pager.told").open("a") as file:
            file.write(f"{{event.id}} {{event.kind}}\\n")
        {then}

@hookimpl
def register_notifiers():
    return [Pager]
"""


def install(appliance, name: str, source: str, then: str = "pass") -> None:
    (appliance.layout.plugins / f"{name}.py").write_text(source.format(root=appliance.root, name=name, then=then))


def enable(appliance, name: str, source: str, then: str = "pass", table: str = "") -> None:
    """Install a drop-in plugin beside the tunnel, and name it in the settings."""
    install(appliance, name, source, then)
    text = appliance.layout.settings.read_text()
    appliance.settings(f"{text}\n{table or f'[plugins.{name}]'}\n")


def heard(appliance, name: str) -> list[str]:
    """Return the kinds of events that were told."""
    return [line.partition(" ")[2] for line in lines(appliance, name)]


def lines(appliance, name: str) -> list[str]:
    file = appliance.root / f"{name}.told"
    return file.read_text().splitlines() if file.exists() else []


def deliver(appliance) -> float | None:
    return delivery.serve(appliance.layout, 0.0, clock=appliance.clock)


def stored(appliance, after: int = 0) -> list[str]:
    with appliance.store() as store:
        return [f"{each.id} {each.kind}" for each in store.journal.after(after, 10_000)]


def rows(appliance) -> dict:
    with appliance.store() as store:
        return {each.listener: each for each in store.deliveries.all()}


def behind(appliance) -> dict[str, int]:
    with appliance.store() as store:
        return store.deliveries.behind()


def test_an_observer_is_told_all_of_it_in_order_from_the_first_pass_that_finds_it_enabled(tunnel):
    before = len(stored(tunnel))
    enable(tunnel, "odd", OBSERVER)
    tunnel.apply()
    tunnel.renew()
    tunnel.apply()
    assert lines(tunnel, "odd") == []
    assert deliver(tunnel) is None
    assert lines(tunnel, "odd") == stored(tunnel)[before:]
    assert deliver(tunnel) is None
    assert lines(tunnel, "odd") == stored(tunnel)[before:]


def test_without_observers_nothing_is_kept_or_started(tunnel):
    tunnel.apply()
    assert rows(tunnel) == {}
    assert Terminal(tunnel.root).run("renew").returncode == 0
    assert not (tunnel.layout.log / "delivery.log").exists()


def test_settings_and_modules_observe_too_and_read_their_settings(tunnel):
    source = """
        from pathlib import Path
        from chainwright import Module, PluginSettings, Secret, hookimpl

        class Settings(PluginSettings):
            token: Secret

            @hookimpl
            def on_event(self, event):
                Path("{root}/odd.told").write_text(f"1 {{self.token.reveal()}}\\n")

        class Watcher(Module):
            '''Watches.'''
            name = "odd"
            reload = ("true",)
            unprobed = "nothing"
            word: str = "x"

            def declare_needs(self, host):
                return []

            @hookimpl
            def on_event(self, event):
                Path("{root}/module.told").write_text(f"1 {{self.word}}\\n")

        @hookimpl
        def register_settings():
            return Settings

        @hookimpl
        def register_modules():
            return [Watcher]
    """
    table = '[plugins.odd]\ntoken_file = "/etc/token"\n[modules.eye]\nplugin = "odd"\nword = "seen"\n'
    (tunnel.root / "etc/token").write_text("s3cret")
    (tunnel.root / "etc/token").chmod(0o600)
    enable(tunnel, "odd", dedent(source), table=table)
    tunnel.apply()
    assert set(rows(tunnel)) == {"plugins.odd", "modules.eye"}
    deliver(tunnel)
    assert (heard(tunnel, "odd"), heard(tunnel, "module")) == (["s3cret"], ["seen"])


def test_an_observer_that_raises_is_passed_over_and_told_with_its_line_and_the_others_are_told(tunnel):
    enable(tunnel, "odd", OBSERVER, "raise RuntimeError('deaf')")
    enable(tunnel, "well", OBSERVER)
    tunnel.apply()
    assert deliver(tunnel) is None
    assert lines(tunnel, "odd") == lines(tunnel, "well") != []
    (found,) = told(tunnel)
    assert codes([found]) == [("plugin", "odd", "warning", "plugin.observer_raised")]
    assert found["title"] == "odd"
    assert found["problem"]["cause"] == 'It failed on the event "plugin_failed": RuntimeError: deaf.'
    assert found["problem"]["where"] == f"odd ({tunnel.layout.plugins}/odd.py:9)"
    assert heard(tunnel, "well").count("plugin_failed") == 1
    install(tunnel, "odd", OBSERVER)
    tunnel.apply()
    deliver(tunnel)
    assert told(tunnel) == found_again(tunnel)


def found_again(appliance) -> list:
    """An observer is well again once it has heard an event of the kind that it failed on."""
    with appliance.store() as store, store.write():
        store.journal.add(Event(at=appliance.clock(), kind=EventKind.PLUGIN_FAILED, text="of another"))
    before = told(appliance)
    deliver(appliance)
    assert told(appliance) == []
    return before


def test_a_notifier_that_fails_is_tried_again_with_pauses_that_grow_and_later_events_wait(tunnel):
    enable(tunnel, "pager", NOTIFIER, "raise OSError('no route')", table="[plugins.pager]\n[notify.pager]\n")
    tunnel.apply()
    tunnel.apply()
    for attempt, pause in enumerate([*PAUSES, PAUSES[-1]], 1):
        assert deliver(tunnel) == pytest.approx(pause.total_seconds(), abs=30)
        assert heard(tunnel, "pager") == ["pass_ended"] * attempt
        assert len(set(lines(tunnel, "pager"))) == 1
        deliver(tunnel)
        assert len(lines(tunnel, "pager")) == attempt
        tunnel.clock.advance(seconds=pause.total_seconds() + 1)
    (found,) = told(tunnel)
    assert codes([found]) == [("plugin", "pager", "warning", "plugin.notifier_raised")]
    assert found["title"] == "notify.pager"
    assert found["problem"]["cause"] == 'It could not tell of the event "pass_ended": OSError: no route.'
    assert found["problem"]["where"] == f"notify.pager ({tunnel.layout.plugins}/pager.py:17)"
    assert found["problem"]["retry_at"] is not None
    (tunnel.root / "pager.told").unlink()
    install(tunnel, "pager", NOTIFIER)
    assert deliver(tunnel) is None
    assert len(heard(tunnel, "pager")) == 2
    assert told(tunnel) == []


def test_one_that_hangs_is_ended_after_its_time_and_named_with_its_line(tunnel):
    enable(tunnel, "pager", NOTIFIER, "time.sleep(50)", table="[plugins.pager]\n[notify.pager]\n")
    enable(tunnel, "well", OBSERVER)
    tunnel.apply()
    assert run(tunnel) == 0
    assert "pass_ended" in heard(tunnel, "well")
    (found,) = told(tunnel)
    assert codes([found]) == [("plugin", "pager", "warning", "plugin.listener_hung")]
    assert found["problem"]["cause"] == 'It did not come to an end with the event "pass_ended" within 0.3 s.'
    assert found["problem"]["where"] == f"notify.pager ({tunnel.layout.plugins}/pager.py:17)"
    assert (rows(tunnel)["notify.pager"].attempts, behind(tunnel)["well"]) == (1, 0)


def forget_pauses(appliance) -> None:
    with appliance.store() as store, store.write():
        store.database.execute("update deliveries set retry_at = null")


def run(appliance) -> int:
    """Deliver in a process of its own; return its exit code."""
    return prepared.run([*PROGRAM[1:], appliance.root, "0"], timeout=60).returncode


@pytest.mark.parametrize(("kind", "twice"), [("observer", "odd"), ("notifier", "pager")])
def test_a_deliverer_that_is_killed_after_telling_tells_twice_at_most_and_loses_nothing(tunnel, kind, twice):
    gate = tunnel.root / "gate"
    kill = f"__import__('os').kill(__import__('os').getpid(), 9) if not Path('{gate}').exists() else None"
    if kind == "observer":
        enable(tunnel, "odd", OBSERVER, kill)
    else:
        enable(tunnel, "pager", NOTIFIER, kill, table="[plugins.pager]\n[notify.pager]\n")
    tunnel.apply()
    assert run(tunnel) == -signal.SIGKILL
    assert len(lines(tunnel, twice)) == 1
    gate.touch()
    deliver(tunnel)
    assert len(lines(tunnel, twice)) == 1
    assert [each["problem"]["code"] for each in told(tunnel)] == ["plugin.listener_died"]
    tunnel.clock.advance(minutes=1)
    deliver(tunnel)
    found = lines(tunnel, twice)
    assert found[0] == found[1]
    assert len(set(found)) == len(found) - 1
    assert behind(tunnel) == dict.fromkeys(behind(tunnel), 0)


def test_an_observer_of_which_the_process_dies_again_and_again_is_told_the_next_event(tunnel):
    enable(tunnel, "odd", OBSERVER, "__import__('os')._exit(0) if event.kind == 'pass_started' else None")
    tunnel.apply()
    first = stored(tunnel)[-1]
    for _ in range(6):
        run(tunnel)
        forget_pauses(tunnel)
    found = lines(tunnel, "odd")
    assert [each.partition(" ")[2] for each in found[:2]] == ["pass_started"] * 2
    assert first in found
    assert len(set(found)) == len(found) - 1


def test_an_observer_that_never_ends_delays_neither_a_command_nor_a_service(tunnel):
    gate = tunnel.root / "gate"
    enable(tunnel, "odd", OBSERVER, f"\n    while not Path('{gate}').exists(): __import__('time').sleep(0.01)")
    terminal, before = Terminal(tunnel.root), tunnel.chains("tunnel")
    assert terminal.run("apply").returncode == 0
    until(lambda: lines(tunnel, "odd"), what="the observer is told")
    assert terminal.run("reissue", "--all").returncode == 0
    assert tunnel.chains("tunnel") != before
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert "pass_ended" in stored(tunnel)[-1]
    assert len(lines(tunnel, "odd")) == 1
    gate.touch()
    until(lambda: len(lines(tunnel, "odd")) > 1, what="the next event is told")


def test_what_lies_too_far_back_is_skipped_and_told(tunnel):
    enable(tunnel, "odd", OBSERVER)
    tunnel.apply()
    deliver(tunnel)
    with tunnel.store() as store, store.write():
        for _ in range(MOST_BEHIND + 50):
            store.journal.add(Event(at=tunnel.clock(), kind=EventKind.STEP, text="x"))
    last = rows(tunnel)["odd"].told
    with tunnel.store() as store, store.write():
        store.database.execute("update deliveries set told = ?", [last])
        store.database.execute("delete from events where id > ? and id <= ?", [last, last + MOST_BEHIND + 20])
        store.database.execute("delete from events where id <= ?", [last])
    told_before = len(lines(tunnel, "odd"))
    deliver(tunnel)
    assert len(lines(tunnel, "odd")) == told_before + 30 + 1
    (found,) = told(tunnel)
    assert codes([found]) == [("plugin", "odd", "warning", "plugin.events_skipped")]
    assert found["problem"]["cause"] == (
        f"It was not told of {MOST_BEHIND + 20} events: it was too far behind, and they were dropped."
    )
    tunnel.clock.advance(hours=25)
    tunnel.apply()
    tunnel.apply()
    assert told(tunnel) == []


def test_events_of_a_database_that_was_made_anew_are_told(tunnel):
    enable(tunnel, "odd", OBSERVER)
    tunnel.apply()
    deliver(tunnel)
    with tunnel.store() as store, store.write():
        store.database.execute("update deliveries set told = told + 1000")
        store.database.execute("delete from events")
        store.journal.add(Event(at=tunnel.clock(), kind=EventKind.STEP, text="the first one"))
    before = len(lines(tunnel, "odd"))
    deliver(tunnel)
    assert heard(tunnel, "odd")[before:] == ["step"]


def test_what_is_disabled_is_told_nothing_more_and_what_is_broken_is_told_later(tunnel):
    enable(tunnel, "odd", OBSERVER)
    text = tunnel.layout.settings.read_text()
    tunnel.apply()
    deliver(tunnel)
    (tunnel.layout.plugins / "odd.py").write_text("import nothing_at_all\n")
    tunnel.apply()
    assert deliver(tunnel) is None
    assert behind(tunnel)["odd"] > 0
    install(tunnel, "odd", OBSERVER)
    deliver(tunnel)
    assert behind(tunnel)["odd"] == 0
    tunnel.settings(text.replace("[plugins.odd]", "[plugins.odd]\nenabled = false"))
    tunnel.apply()
    assert rows(tunnel) == {}


def test_one_process_delivers_at_a_time(tunnel):
    enable(tunnel, "odd", OBSERVER)
    tunnel.apply()
    with held(tunnel.layout.delivery_lock, wait=0.0):
        assert run(tunnel) == 0
        assert lines(tunnel, "odd") == []
    assert run(tunnel) == 0
    assert lines(tunnel, "odd") != []


def test_what_observers_print_goes_to_a_log(tunnel):
    enable(tunnel, "odd", OBSERVER, "print('a word of mine')")
    done = Terminal(tunnel.root).run("apply")
    assert "a word" not in done.stdout + done.stderr
    log = tunnel.layout.log / "delivery.log"
    until(lambda: log.exists() and "plugin odd printed: a word of mine" in log.read_text(), what="it is in the log")
    assert log.stat().st_mode & 0o777 == 0o600
