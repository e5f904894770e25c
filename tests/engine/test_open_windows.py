"""Ways to this machine for a CA: closed after a kill at each step, by another process than the one that opened, and told of."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from agent.contract.challenge_window import ChallengeWindow
from agent.engine.challenge_windows import StoredWindows
from agent.engine.write_queue import DirectWriter
from agent.errors.challenges import WindowUnopened
from agent.errors.settings import SettingsRefused
from agent.model.challenge_windows import REMEMBERED
from agent.model.dns_record import DnsRecord
from agent.store import Store
from agent.system.command import Command
from agent.testing.appliance import Appliance
from support.clients.terminal import Terminal
from support.waiting import until

KEY = ("request", "acme")
MINUTE = timedelta(minutes=1)
PROGRAM = """#!/bin/sh
echo "$1 $2 ${TOKEN-none}" >> ROOT/calls
[ ! -e ROOT/fail-$1 ] || { echo no way >&2; exit 3; }
case $1 in open) touch ROOT/firewall-$2 ;; close) rm -f ROOT/firewall-$2 ;; esac
[ ! -e ROOT/kill-$1 ] || kill -9 $PPID
"""


@dataclass
class Walled(Appliance):
    """An appliance with a program that opens a firewall."""

    @property
    def program(self) -> str:
        return str(self.root / "fw")

    def wall(self) -> None:
        path = self.root / "fw"
        path.write_text(PROGRAM.replace("ROOT", str(self.root)))
        path.chmod(0o755)
        with Store.open(self.layout):
            pass

    def when(self, word: str, *, no_more: bool = False) -> None:
        """Have the program fail, or kill who has started it, at an action."""
        path = self.root / word
        path.unlink() if no_more else path.touch()

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def open_ways(self) -> list[str]:
        return sorted(each.name for each in self.root.glob("firewall-*"))

    def windows(self, store: Store, writer: Any = None, plugins: Mapping[str, Mapping[str, str]] | None = None):
        def of_plugins(window: ChallengeWindow) -> dict[str, Command]:
            found = {}
            for name, environment in (plugins or {}).items():
                found[name] = Command((self.program, window.action, f"{window.id}-{name}"), environment=environment)
            return found

        return StoredWindows(writer or DirectWriter(store), self.clock, KEY, of_plugins)

    def own(self, window: ChallengeWindow) -> Command:
        return Command((self.program, window.action, window.id))

    def findings(self) -> list[Mapping[str, Any]]:
        found = [each["problem"] for each in self.status()["findings"]]
        return [each for each in found if each["code"] == "status.window_unclosed"]


def window(number: int = 1, *names: str) -> ChallengeWindow:
    return ChallengeWindow(
        id=f"{number:08x}", action="open", ports=(80, 443), families=("ipv4",), names=names or ("www.example.com",)
    )


@pytest.fixture
def box() -> Iterator[Walled]:
    with Walled.make() as made:
        made.wall()
        yield made


def left(box: Walled) -> int:
    with box.store() as store:
        return len(store.windows.all())


def test_it_is_kept_as_long_as_it_is_open(box: Walled):
    with box.store() as store:
        windows = box.windows(store, plugins={"cloud": {"TOKEN": "hunter2"}})
        assert windows.open(window(), box.own)
        assert [(each.by, each.order, each.ports) for each in store.windows.all()] == [
            ("challenge_window", KEY, (80, 443)),
            ("cloud", KEY, (80, 443)),
        ]
        assert box.open_ways == ["firewall-00000001", "firewall-00000001-cloud"]
        assert b"hunter2" not in box.layout.database.read_bytes()
        assert windows.close("00000001") == ""
        assert store.windows.all() == []
    assert box.open_ways == []
    assert box.calls[-1] == "close 00000001-cloud hunter2"


def test_nothing_is_kept_where_nothing_opens_anything(box: Walled):
    with box.store() as store:
        assert not box.windows(store).open(window(), lambda _window: None)
    assert left(box) == 0


def test_what_could_not_be_opened_is_closed_with_all_that_was(box: Walled):
    with box.store() as store:
        windows = box.windows(store, plugins={"cloud": {}})
        box.when("fail-open")
        with pytest.raises(WindowUnopened) as raised:
            windows.open(window(), box.own, box.clock())
        assert raised.value.retry_at is not None
        assert store.windows.all() == []
    assert [each.split()[:2] for each in box.calls] == [
        ["open", "00000001"],
        ["close", "00000001"],
        ["close", "00000001-cloud"],
    ]


class Dying(DirectWriter):
    """A writer whose process is killed before or after one of its writes."""

    def __init__(self, store: Store, at: int, *, after: bool) -> None:
        super().__init__(store)
        self._left, self._after = at, after

    def write(self, work: Callable[[Store], Any]) -> Any:
        if self._left == 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = super().write(work)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        return done


def killed(work: Callable[[], object]) -> None:
    """Do it in a process of its own, which is killed meanwhile."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("at", "after", "kept", "is_open"),
    [(0, False, 0, False), (0, True, 1, False), (1, False, 1, False), (1, True, 0, False)],
    ids=["before it is kept", "before it is opened", "after it was closed", "after it was forgotten"],
)
def test_nothing_stays_open_after_a_kill_between_two_writes(
    box: Walled, at: int, after: bool, kept: int, is_open: bool
):
    def work() -> None:
        with box.store() as store:
            windows = box.windows(store, Dying(store, at, after=after))
            windows.open(window(), box.own)
            windows.close("00000001")

    killed(work)
    assert (left(box), bool(box.open_ways)) == (kept, is_open)
    box.apply()
    assert (left(box), box.open_ways) == (0, [])
    assert [each for each in box.calls if each.startswith("close")] == ["close 00000001 none"] * (at + kept)


def in_another_process(work: Callable[[], object]) -> int:
    """Do it in a process of its own; return its exit code, 1 where it raises."""
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("action", ["open", "close"])
def test_nothing_stays_open_after_a_kill_while_a_command_runs(box: Walled, action: str):
    def work() -> None:
        with box.store() as store:
            windows = box.windows(store)
            windows.open(window(), box.own)
            windows.close("00000001")

    box.when(f"kill-{action}")
    killed(work)
    assert left(box) == 1
    box.when(f"kill-{action}", no_more=True)
    box.apply()
    assert (left(box), box.open_ways) == (0, [])


def test_a_pass_that_is_killed_while_it_closes_is_followed_by_one_that_does(box: Walled):
    opened_by_the_dead(box)
    box.when("kill-close")
    killed(box.apply)
    assert left(box) == 1
    box.when("kill-close", no_more=True)
    box.apply()
    assert left(box) == 0
    assert len([each for each in box.calls if each.startswith("close")]) == 2


def opened_by_the_dead(box: Walled, *numbers: int, plugins: Mapping[str, Mapping[str, str]] | None = None) -> None:
    def work() -> None:
        with box.store() as store:
            for number in numbers or (1,):
                box.windows(store, plugins=plugins).open(window(number), box.own)
        os.kill(os.getpid(), signal.SIGKILL)

    killed(work)


def test_what_a_living_order_needs_is_left_open_and_what_another_process_left_is_closed(box: Walled):
    opened_by_the_dead(box, 2)
    with box.store() as store:
        with store.write():
            assert store.orders.lease(*KEY, box.clock())
        box.windows(store).open(window(1), box.own)
        box.apply()
        assert box.open_ways == ["firewall-00000001"]
        with store.write():
            store.orders.release(*KEY)
        box.apply()
    assert box.open_ways == []


@pytest.mark.parametrize("step", [-timedelta(days=400), timedelta(hours=1), timedelta(days=400)], ids=str)
def test_what_a_living_order_needs_is_left_alone_when_the_clock_is_set_before_its_next_sign_of_life(
    box: Walled, step: timedelta
):
    record = DnsRecord(
        solver="gone",
        zone="",
        name="_acme-challenge.example.com",
        value="x",
        domain="example.com",
        request=KEY[0],
        source=KEY[1],
        at=box.clock(),
    )
    with box.store() as store:
        with store.write():
            assert store.orders.lease(*KEY, box.clock())
            store.dns_records.put([record])
        box.windows(store).open(window(1), box.own)
        box.clock.offset += step
        ended = in_another_process(box.apply)
        assert (ended, box.open_ways, store.dns_records.all()) == (0, ["firewall-00000001"], [record])


def test_two_processes_at_one_ca_lose_no_row_of_each_other(box: Walled):
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            with box.store() as store:
                for each in range(5):
                    box.windows(store).open(window(number * 5 + each), box.own)
            os.kill(os.getpid(), signal.SIGKILL)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert left(box) == len(box.open_ways) == 20
    box.apply()
    assert (left(box), box.open_ways) == (0, [])


def test_a_close_that_fails_is_told_and_tried_again_after_growing_pauses(box: Walled):
    opened_by_the_dead(box)
    box.when("fail-close")
    with box.store() as store:
        (row,) = store.windows.all()
    pauses = [MINUTE, 10 * MINUTE, 100 * MINUTE, timedelta(days=1), timedelta(days=1)]
    for tries, pause in enumerate(pauses, 1):
        box.apply()
        box.apply()
        assert len([each for each in box.calls if each.startswith("close")]) == tries
        with box.store() as store:
            (kept,) = store.windows.all()
        assert (kept.attempts, kept.failed) == (tries, "no way")
        assert kept.retry_at is not None
        assert kept.tried_at is not None
        assert kept.retry_at - kept.tried_at == pause
        box.clock.offset += pause + MINUTE
    (problem,) = box.findings()
    assert problem["cause"] == (
        "The way for a CA to www.example.com at port 80 and 443, which challenge_window of acme opened at "
        f"{row.at:%Y-%m-%dT%H:%M:%SZ}, was not closed: no way."
    )
    assert problem["fix"] == (
        f"Close it by hand: {box.program} close 00000001. If that can't be run any more, close the ports in another way, "
        "then: chainwright acme closed 00000001"
    )
    box.when("fail-close", no_more=True)
    box.apply()
    box.apply()
    assert (box.findings(), box.open_ways, left(box)) == ([], [], 0)


def test_a_person_who_applies_has_it_tried_at_once(box: Walled):
    opened_by_the_dead(box)
    box.when("fail-close")
    box.apply()
    box.apply(retry=True)
    assert len([each for each in box.calls if each.startswith("close")]) == 2
    box.when("fail-close", no_more=True)
    box.apply(retry=True)
    assert (box.open_ways, left(box)) == ([], 0)


def test_the_next_pass_is_planned_for_the_next_try(box: Walled):
    opened_by_the_dead(box)
    box.when("fail-close")
    box.apply()
    made = box.apply().plan
    with box.store() as store:
        (kept,) = store.windows.all()
    assert made.next_at == kept.retry_at


def test_each_of_several_windows_is_told_of(box: Walled):
    opened_by_the_dead(box, 1, 2, plugins={"cloud": {"TOKEN": "hunter2"}})
    box.when("fail-close")
    box.apply()
    box.apply()
    fixes = [each["fix"] for each in box.findings()]
    assert len(fixes) == 4
    assert len([each for each in fixes if "close 00000001-cloud (with TOKEN in its environment)" in each]) == 1
    assert "hunter2" not in json.dumps(box.status())


def test_one_whose_command_is_gone_is_told_of_until_a_person_has_closed_it(box: Walled):
    opened_by_the_dead(box)
    (box.root / "fw").unlink()
    box.apply()
    box.apply()
    (problem,) = box.findings()
    assert problem["cause"].endswith("was not closed: no such file or directory.")
    terminal = Terminal(box.root)
    wrong = terminal.run("acme", "closed", "00000002")
    assert wrong.returncode == 2
    assert 'There is no challenge window "00000002" that stays open. Did you mean "00000001"?' in wrong.stderr
    assert terminal.run("acme", "closed", "00000001").returncode == 0
    assert (box.findings(), left(box)) == ([], 0)


def test_it_is_closed_though_the_ca_is_no_longer_in_the_settings(box: Walled):
    opened_by_the_dead(box)
    box.settings({"sources": ["local"]})
    box.apply()
    assert box.open_ways == []


def test_it_is_closed_though_the_settings_are_refused(box: Walled):
    opened_by_the_dead(box)
    box.settings('colour = "blue"\n')
    with pytest.raises(SettingsRefused):
        box.apply()
    until(lambda: not box.open_ways, what="the window is closed")
    until(lambda: not left(box), what="the row is gone")


@pytest.mark.parametrize("days", [-400, 400])
def test_it_is_closed_whatever_the_clock_shows_meanwhile(box: Walled, days: int):
    opened_by_the_dead(box)
    box.when("fail-close")
    box.apply()
    box.when("fail-close", no_more=True)
    box.clock.offset += timedelta(days=days)
    box.apply()
    assert (box.open_ways, left(box)) == ([], 0)


def test_what_a_release_before_kept_in_the_memory_of_its_source_is_closed(box: Walled):
    call = {"argv": [box.program, "close", "old"], "environment": {"TOKEN": "hunter2"}, "seconds": 20.0}
    row = {"id": "old", "by": "challenge_window", "names": ["a.example.com"], "pid": 0, "ticks": 0, "close": call}
    with box.store() as store, store.write():
        store.memories.write("gone", REMEMBERED, {"open": [row, {"id": "damaged"}]})
    box.apply()
    assert box.calls == ["close old hunter2"]
    with box.store() as store:
        assert store.memories.sources_with(REMEMBERED) == []
        assert store.windows.all() == []


def test_a_restored_machine_closes_what_it_has_open_itself(box: Walled):
    """The variables were sealed with the key of the database that was replaced: the command is run without."""
    opened_by_the_dead(box, plugins={"cloud": {"TOKEN": "hunter2"}})
    with box.store() as store:
        (_, row) = store.windows.all()
        store.database.execute("update challenge_windows set sealed_environment = x'00'")
        store.database.commit()
        assert [each for each in store.windows.all() if each.by == "cloud"] == [replace(row, environment={})]
    box.apply()
    assert box.open_ways == []
