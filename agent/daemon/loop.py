"""The agent as a process: a pass at its start, when something is due, when orders have ended, and when it is poked."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Collection
from datetime import datetime

from agent.daemon.api_supervisor import ApiSupervisor
from agent.daemon.log import Level, Log, reaches_journal
from agent.daemon.schedule import Instant, Schedule
from agent.daemon.sd_notify import Notifier
from agent.daemon.service_watch import ServiceWatch
from agent.daemon.wakeup import Wakeup
from agent.engine.engine import GATHER_SECONDS, GRACE_SECONDS, Engine
from agent.engine.freshness import InputsFingerprint, UpToDate
from agent.engine.recheck import Recheck
from agent.engine.settings_in_force import KeptSettings
from agent.errors import AgentError
from agent.errors.problem import rfc3339
from agent.errors.settings import SettingsRefused
from agent.errors.store import AgentAlreadyRunning, LockHeld
from agent.model.events import Event, EventKind
from agent.planning import Plan
from agent.report import read_snapshot, report
from agent.store import Store
from agent.system.clock import utc_now
from agent.system.layout import Layout
from agent.system.lock import held

TICK = 60.0
"""Seconds within which a clock that was set is noticed."""
REFUSED_TICK = 5.0
"""The same while the settings can't be used: so soon a corrected file is noticed."""
RESTORE_TICK = 10.0
"""Longest sleep in seconds: so soon the sockets are there again that somebody has removed."""
CLOSING_WAIT = 5.0
"""Seconds that the last pass waits for the lock."""
WHO = "chainwright run"
SHOWN = 3
"""Subjects that systemd is told of by name."""
API_USERS = "api users"
"""What is remembered of who may use the local API, for the time before the settings are read."""


def run(layout: Layout, *, clock: Callable[[], datetime] = utc_now) -> int:
    """Run the agent until SIGTERM or SIGINT; return the exit code.

    Raises `AgentAlreadyRunning` when another one runs on this state, `StateUnwritable` and `SocketPathTooLong` when it
    can't start.
    Whatever goes wrong later is logged, tried again, and never ends it.
    """
    log = Log(sys.stderr, clock, journal=reaches_journal(sys.stderr, os.environ))
    with (
        held(layout.daemon_lock, wait=0.0, refusal=AgentAlreadyRunning),
        Wakeup(layout) as wakeup,
        ApiSupervisor(layout, log) as api_supervisor,
    ):
        notifier, admit, restore = Notifier(os.environ), api_supervisor.admit, api_supervisor.restore
        Daemon(layout, log, wakeup, notifier, clock=clock, admit=admit, restore=restore).serve()
    return 0


class Daemon:
    """The loop. The caller holds `Layout.daemon_lock`."""

    def __init__(
        self,
        layout: Layout,
        log: Log,
        wakeup: Wakeup,
        notifier: Notifier,
        *,
        clock: Callable[[], datetime] = utc_now,
        attend: Callable[[], bool] = lambda: False,
        admit: Callable[[Collection[str]], object] = lambda _users: None,
        restore: Callable[[], object] = lambda: None,
        who: str = WHO,
    ) -> None:
        """`attend` is called after each pass and whenever the loop wakes up; it returns whether a pass is due for it.

        `restore` is called as often, in case somebody has removed what is in ``run/``. `admit` is told which users' processes
        may use the local API, whenever that may have changed.
        """
        self._settings = KeptSettings()
        self.engine = Engine(layout, clock=clock, loader=self._settings, listeners=[self._on_event], who=who)
        self.engine.workers.wake = wakeup.wake_event
        self._log = log
        self._wakeup = wakeup
        self._notifier = notifier
        self._attend = attend
        self._admit = admit
        self._restore = restore
        self._schedule = Schedule(self._now())
        self._first_delivery: float | None = None
        self._said: dict[str, str] = {}
        self._has_looked = False
        self._refused = ""
        self._services = ServiceWatch(layout, wakeup.watch)

    def serve(self) -> None:
        """Make passes until a signal asks for the end, then let orders end and store what they brought."""
        # Before the first pass: services that are ordered after the agent may be what that pass waits for.
        self._notifier.ready("The first pass begins.")
        self._log.say(f"the agent is up, pid {os.getpid()}")
        self._admit_as_before()
        attended = False
        while not self._wakeup.stopping:
            self._wakeup.restore()
            self._restore()
            reason = self._reason(attended)
            if reason:
                self._pass(reason)
            if self._wakeup.stopping:
                break
            self._notifier.alive()
            attended = self._attend()
            if not attended:
                self._wakeup.wait(self._seconds())
        self._end()

    # When

    def _now(self) -> Instant:
        return Instant(self.engine.clock(), time.monotonic())

    def _reason(self, attended: bool) -> str:
        due = self._schedule.due(self._now())
        poked = self._wakeup.poked()
        started = "the process of a service was started" if attended else ""
        return self._services.look() or poked or due or started or self._ended() or self._corrected()

    def _corrected(self) -> str:
        """Say whether a file has changed since the settings were refused."""
        changed = self._settings.refusal is not None and self._files() != self._refused
        return "the settings have changed" if changed else ""

    def _files(self) -> str:
        """Return what changes with every file that a pass reads."""
        try:
            return InputsFingerprint(str(self.engine.layout.root)).record(UpToDate(0.0, None, 0))
        except OSError:
            return ""

    def _ended(self) -> str:
        """Say whether orders have ended: all, or those of ten seconds after the first, so that one reload serves many."""
        workers = self.engine.workers
        workers.wake.clear()
        if not workers.delivered:
            self._first_delivery = None
            return ""
        if self._first_delivery is None:
            self._first_delivery = time.monotonic()
        gathered = time.monotonic() >= self._first_delivery + GATHER_SECONDS
        what = "orders have ended" if workers.brought else "inquiries have ended"
        return what if gathered or workers.all_delivered else ""

    def _seconds(self) -> float:
        longest = min(REFUSED_TICK if self._settings.refusal else TICK, self._notifier.watchdog or TICK)
        longest = min(longest, self._services.tick or TICK, RESTORE_TICK)
        if self._first_delivery is not None:
            longest = min(longest, max(0.0, self._first_delivery + GATHER_SECONDS - time.monotonic()))
        return self._schedule.seconds(self._now(), longest)

    # A pass

    def _pass(self, reason: str) -> None:
        self._refused = self._files()
        try:
            made, _ = self.engine.run_pass(wait=0.0, recheck=self._recheck())
        except LockHeld as error:
            self._schedule.locked(self._now(), reason)
            self._say_once("lock", " ".join(error.problem.lines()), Level.INFO)
        except AgentError as error:
            self._failed(error, reason)
        except Exception:
            self._crashed(reason)
        else:
            self._first_delivery = None
            self._has_looked = True
            self._services.follow()
            self._succeeded(made, reason)

    def _recheck(self) -> Recheck:
        """Say what to look at: all at the start, as what another process saw, or was seen before a reboot, proves nothing."""
        if not self._has_looked:
            return Recheck.ALL
        return Recheck.SAMPLE if self._services.changed else Recheck.NOTHING

    def _succeeded(self, made: Plan, reason: str) -> None:
        at = self._schedule.planned(made, self.engine.clock())
        self._admit_callers()
        self._say_once("lock", "")
        self._say_once("pass", "")
        self._note_refusal(self._settings.refusal)
        self._log.say(f"made a pass, because {reason}; the next is due at {rfc3339(at)}")
        if self._notifier.heard:
            self._notifier.status(f"{self._attention()}The next pass is due at {rfc3339(at)}.")

    def _attention(self) -> str:
        """Say what somebody should act on, as `chainwright status` does."""
        now = self.engine.clock()
        with contextlib.suppress(AgentError):
            found = list(dict.fromkeys(report(read_snapshot(self.engine.layout, now), now).attention))
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            return f"In need of attention: {', '.join(found[:SHOWN])}{more}. " if found else "All is well. "
        return ""

    def _failed(self, error: AgentError, reason: str) -> None:
        pause = self._schedule.failed(self._now())
        refused = isinstance(error, SettingsRefused)
        news = self._note_refusal(error) if refused else self._say_once("pass", str(error))
        if news:
            self._log.say(f"no pass was made, though {reason}; it is tried again in {pause:.0f} s", Level.WARNING)
        self._notifier.status(f"{' '.join(error.problem.lines())} Tried again in {pause:.0f} s.")

    def _crashed(self, reason: str) -> None:
        pause = self._schedule.failed(self._now())
        for line in traceback.format_exc().splitlines():
            self._log.say(line, Level.ERROR)
        self._log.say(f"a pass failed, made because {reason}; it is tried again in {pause:.0f} s", Level.ERROR)
        self._notifier.status(f"A pass failed, see the log. Tried again in {pause:.0f} s.")

    # Who may ask

    def _admit_as_before(self) -> None:
        """Admit the users of the last run: settings that can't be read must not keep their page from saying why."""
        with contextlib.suppress(AgentError), Store.open_existing(self.engine.layout) as store:
            self._admit((store.meta(API_USERS) or "").split())

    def _admit_callers(self) -> None:
        users = self._settings.api_users
        self._admit(users)
        with contextlib.suppress(AgentError), Store.open_existing(self.engine.layout) as store:
            if (store.meta(API_USERS) or "").split() != users:
                with store.write():
                    store.remember(API_USERS, " ".join(users))

    # What is said

    def _on_event(self, event: Event) -> None:
        self._log.event(event)
        self._notifier.alive()

    def _say_once(self, about: str, text: str, level: Level = Level.ERROR) -> bool:
        """Log `text` unless it's what was said last about this; empty: forget. Return whether it is news."""
        news = text != self._said.get(about, "")
        self._said[about] = text
        if news and text:
            self._log.say(" ".join(text.split()), level)
        return news

    def _note_refusal(self, refusal: AgentError | None) -> bool:
        """Log and store once that the settings can't be used. Return whether it is news."""
        news = self._say_once("settings", str(refusal) if refusal else "")
        if news and refusal is None:
            self._log.say("the settings can be used again")
        elif news and refusal is not None:
            event = Event(self.engine.clock(), EventKind.SETTINGS_REFUSED, refusal.problem.cause)
            with contextlib.suppress(AgentError), Store.open_existing(self.engine.layout) as store:
                self.engine.bus.publish(store, event)
        return news

    # The end

    def _end(self) -> None:
        self._notifier.stopping()
        self._services.close()
        workers = self.engine.workers
        if workers.busy:
            self._log.say("waiting for orders that run")
            workers.stop(GRACE_SECONDS)
            self._store_deliveries()
        workers.close()
        self._log.say("the agent ends")

    def _store_deliveries(self) -> None:
        try:
            self.engine.run_pass(wait=CLOSING_WAIT, orders=False)
        except AgentError as error:
            self._log.error(error)
        except Exception:
            self._crashed("the agent ends")
