"""The agent as a process: it sleeps, and starts a pass process when something is due, has changed, or was asked for.

It imports neither plugins nor what a pass needs, so that an idle appliance holds little memory.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.daemon.api_supervisor import ApiSupervisor
from agent.daemon.avoidance import Avoidance
from agent.daemon.channel import Message
from agent.daemon.child import ending
from agent.daemon.clock_watch import ClockWatch
from agent.daemon.delivery_supervisor import DeliverySupervisor
from agent.daemon.file_watch import FileWatch
from agent.daemon.hang_watch import what_happened
from agent.daemon.log import Level, Log, OnceLog, instant, reaches_journal
from agent.daemon.observation_watch import ObservationWatch
from agent.daemon.pass_supervisor import PROGRAM, PassSupervisor
from agent.daemon.schedule import Schedule
from agent.daemon.sd_notify import Notifier
from agent.daemon.service_watch import WATCHED, ServiceWatch
from agent.daemon.wakeup import Wakeup
from agent.system.clock import Clock
from agent.system.layout import Layout
from agent.system.lock import held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.errors import AgentError

TICK = 10.0
"""Longest sleep in seconds: so soon a clock that was set is noticed, and a socket that somebody has removed."""
WHO = "chainwright run"


def run(layout: Layout, *, clock: Clock | None = None, program: Sequence[str] = PROGRAM) -> int:
    """Run the agent until SIGTERM or SIGINT; return the exit code.

    Raises `AgentAlreadyRunning` when another one runs on this state, `StateUnwritable` and `SocketPathTooLong` when it
    can't start.
    Whatever goes wrong later is logged, tried again, and never ends it.
    """
    clock = clock or Clock(layout.root)
    log = Log(sys.stderr, clock.seconds, journal=reaches_journal(sys.stderr, os.environ))
    with held(layout.daemon_lock, wait=0.0, refusal=_already_running), Wakeup(layout) as wakeup:
        Supervisor(layout, log, wakeup, Notifier(os.environ), clock, program=program).serve()
    return 0


def _already_running(path: str, holder: str) -> AgentError:
    from agent.errors.store import AgentAlreadyRunning

    return AgentAlreadyRunning(path, holder)


class Supervisor:
    """The loop of the agent. The caller holds `Layout.daemon_lock`."""

    def __init__(
        self,
        layout: Layout,
        log: Log,
        wakeup: Wakeup,
        notifier: Notifier,
        clock: Clock,
        *,
        attend: Callable[[], bool] = lambda: False,
        who: str = WHO,
        program: Sequence[str] = PROGRAM,
        output: int | None = None,
        api_output: Path | None = None,
    ) -> None:
        """`attend` is called whenever the loop wakes up and no pass is made; it returns whether one is due for it.

        `who`: what a pass is said to be made by. `program`, `output`: of the pass process, as `PassSupervisor` has them;
        `api_output`: of the API's, as `ApiSupervisor` has it.
        """
        self._layout = layout
        self._log = log
        self._wakeup = wakeup
        self._notifier = notifier
        self._clock = ClockWatch(clock)
        self._attend = attend
        self._passes = PassSupervisor(
            layout, wakeup, heard=self._hear, ended=self._ended, who=who, program=program, output=output
        )
        self._api = ApiSupervisor(layout, log, wakeup, api_output, note=self._note_api)
        self._delivery = DeliverySupervisor(layout, log, wakeup, output)
        self._schedule = Schedule(self._clock.now())
        self._services = ServiceWatch(wakeup.watch, layout.root)
        self._observations = ObservationWatch(wakeup.watch)
        self._files = FileWatch(str(layout.etc), wakeup.watch)
        self._avoidance = Avoidance()
        self._avoided: list[str] = []
        """Plugins that the last pass was to leave out."""
        self._attended = False
        self._once = OnceLog(log)
        self._has_looked = False
        self._jobs: list[str] = []
        """Those that the pass process was given and has not ended."""
        self._left: dict[str, Any] = {}
        """What the next pass process has to note of the last one: its fate, and its jobs."""

    def serve(self) -> None:
        """Have passes made until a signal asks for the end, then let the pass process end what it does."""
        # Before the first pass: services that are ordered after the agent may be what that pass waits for.
        self._notifier.ready("The first pass begins.")
        self._log.say(f"the agent is up, pid {os.getpid()}")
        with self._api:
            while not self._wakeup.stopping:
                self._wakeup.restore()
                self._ask_if_due()
                self._notifier.alive()
                self._api.look()
                self._passes.look()
                self._delivery.look()
                self._attended = self._attended or (not self._is_passing and self._attend())
                if not self._attended or self._is_passing:
                    self._wakeup.wait(self._seconds())
            self._end()

    # When

    @property
    def _is_passing(self) -> bool:
        return self._passes.is_passing or self._passes.asked is not None

    def _ask_if_due(self) -> None:
        if self._is_passing:
            return
        job = self._wakeup.jobs[0] if self._wakeup.jobs else ""
        reason = "a change was asked for" if job else self._reason()
        if reason:
            self._ask(reason, job)

    def _ask(self, reason: str, job: str) -> None:
        self._services.paused = True
        self._avoided = self._avoidance.present(time.monotonic())
        message = {"reason": reason, "recheck": self._recheck(), "told": self._once.last("settings"), **self._left}
        message |= {"avoid": self._avoided} if self._avoided else {}
        try:
            self._passes.ask(**message, heard=self._notifier.heard, **({"job": job} if job else {}))
        except OSError as error:
            self._crashed(reason, f"its process can't be started: {error.strerror}")
            return
        self._left, self._attended = {}, False
        if job:
            self._jobs.append(self._wakeup.jobs.popleft())

    def _reason(self) -> str:
        doubt, due = self._clock.news(), self._schedule.due(self._clock.now())
        poked = self._wakeup.poked()
        started = "the process of a service was started" if self._attended else ""
        happened = self._services.look() or self._observations.look()
        return doubt or poked or happened or due or started or self._changed()

    def _changed(self) -> str:
        """Say which file has changed that a pass reads."""
        changed = self._files.changed()
        if changed:
            self._avoidance.forget()
        return f"{changed} has changed" if changed else ""

    def _recheck(self) -> str:
        """Say what to look at: all at the start, as what another process saw, or was seen before a reboot, proves nothing."""
        if not self._has_looked:
            return "all"
        return "sample" if self._services.changed else "nothing"

    def _seconds(self) -> float:
        longest = min(TICK, self._notifier.watchdog or TICK, self._services.tick or TICK)
        waits = [self._api.seconds, self._passes.seconds, self._delivery.seconds]
        waits += [] if self._is_passing else [self._files.seconds, self._observations.seconds]
        longest = min(longest, *(each for each in waits if each is not None), TICK)
        return longest if self._is_passing else self._schedule.seconds(self._clock.now(), longest)

    # What the pass process says

    def _hear(self, message: Message) -> None:
        self._notifier.alive()
        self._services.paused = self._is_passing
        if "say" in message:
            text, level = message["say"]
            self._log.say(text, Level(level))
        if "known" in message:
            self._know(message["known"])
        if "deliver" in message:
            self._delivery.want(message["deliver"])
        if "ended" in message:
            self._jobs = [each for each in self._jobs if each not in message["ended"]]
        if "outcome" in message:
            outcomes = {
                "made": self._made,
                "looked": self._looked,
                "locked": self._locked,
                "failed": self._failed,
                "crashed": self._raised,
            }
            outcomes[message["outcome"]](message)

    def _know(self, known: Message) -> None:
        """Admit the users of the last run: settings that can't be read must not keep their page from saying why."""
        if not self._has_looked:
            self._api.admit(known.get("users", ()))
            if known.get("api_failed"):
                self._api.failed_before()

    def _made(self, message: Message) -> None:
        self._has_looked = True
        self._avoidance.succeeded([*self._avoided, *message["hung"]])
        self._avoidance.hung(message["hung"], time.monotonic())
        self._schedule.planned(message["due"])
        self._api.admit(message["users"])
        self._once.say("lock", "")
        self._once.say("pass", "")
        self._note_refusal(message["refusal"])
        self._services.follow(*(message.get(each, ()) for each in WATCHED))
        self._observations.follow(message.get("observers", {}))
        at = instant(message["due"])
        self._log.say(f"made a pass, because {message['reason']}; the next is due at {at}")
        if self._notifier.heard:
            self._notifier.status(f"{message['status']}The next pass is due at {at}.")

    def _looked(self, message: Message) -> None:
        """Take over that what serves was looked at, and that there is nothing else to do."""
        self._schedule.planned(message["due"])
        self._once.say("lock", "")
        self._once.say("pass", "")
        if not message["served"]:
            return  # names were looked up, as each minute
        at = instant(message["due"])
        self._log.say(f"looked at what serves, because {message['reason']}; the next pass is due at {at}")

    def _locked(self, message: Message) -> None:
        self._schedule.locked(self._clock.now(), message["reason"])
        self._once.say("lock", message["text"], Level.INFO)

    def _failed(self, message: Message) -> None:
        pause, text, reason = self._schedule.failed(self._clock.now()), message["text"], message["reason"]
        news = self._note_refusal(text) if message["refused"] else self._once.say("pass", text)
        if news:
            self._log.say(f"no pass was made, though {reason}; it is tried again in {pause:.0f} s", Level.WARNING)
        self._notifier.status(f"{text} Tried again in {pause:.0f} s.")

    def _raised(self, message: Message) -> None:
        for line in message["trace"].splitlines():
            self._log.say(line, Level.ERROR)
        self._crashed(message["reason"])

    def _crashed(self, reason: str, why: str = "") -> None:
        pause = self._schedule.failed(self._clock.now())
        cause = f": {why}" if why else ""
        self._log.say(f"a pass failed, made because {reason}{cause}; it is tried again in {pause:.0f} s", Level.ERROR)
        self._notifier.status(f"A pass failed, see the log. Tried again in {pause:.0f} s.")

    def _ended(self, code: int, asked: Message | None, account: Message | None) -> None:
        """Take over that the pass process has ended; what it was asked and has not begun is asked again."""
        self._services.paused = False
        if self._wakeup.stopping:
            return
        if account is not None:
            self._left["account"] = account
            self._avoidance.failed(account["subject"], time.monotonic())
            self._crashed(asked["reason"] if asked else "orders go on", what_happened(code, account))
        elif asked is not None:
            self._ask_again(asked)
        if self._jobs:
            self._left |= {"lost": self._jobs, "why": ending(code)}
            self._jobs = []

    def _ask_again(self, asked: Message) -> None:
        if "job" in asked:
            self._jobs.remove(asked["job"])
            self._wakeup.jobs.appendleft(asked["job"])
        else:
            self._wakeup.note(asked["reason"])

    # What is said

    def _note_api(self, reason: str) -> None:
        if not self._wakeup.stopping:
            with contextlib.suppress(OSError):
                self._passes.tell(api=reason)

    def _note_refusal(self, refusal: str) -> bool:
        """Log once that the settings can't be used. Return whether it is news."""
        news = self._once.say("settings", refusal)
        if news and not refusal:
            self._log.say("the settings can be used again")
        return news

    # The end

    def _end(self) -> None:
        self._notifier.stopping()
        self._services.close()
        self._observations.close()
        self._files.close()
        self._passes.stop()
        self._delivery.stop()
        self._clock.end()
        self._log.say("the agent ends")
