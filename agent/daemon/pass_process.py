"""The process that makes passes: the supervisor starts it with a reason, and it ends when nothing was under way for a while.

It says over the pipe what came of each pass, what is to be logged, when the next one is due and what to watch. Reasons that come
meanwhile are taken one after the other. Orders run in its threads, and the pass that deploys what they bring is its own.
"""

from __future__ import annotations

import faulthandler
import socket
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Any

from agent.daemon import event_log, next_pass
from agent.daemon.channel import LAST_WORDS, Channel, Message
from agent.daemon.event_loop import EventLoop
from agent.daemon.first_look import answer, is_about_looks
from agent.daemon.hang_watch import TRACE_SIGNAL
from agent.daemon.jobs import ASKED, TIMEOUT, Jobs
from agent.daemon.log import Level
from agent.daemon.notes import Notes
from agent.daemon.orphan import watch_for_orphanage
from agent.daemon.pass_facts import attention, note_refusal, until_delivery, what_to_watch
from agent.engine.due_looks import looked
from agent.engine.engine import GATHER_SECONDS, GRACE_SECONDS, Engine
from agent.engine.host import read_host
from agent.engine.pass_inputs import HostReader
from agent.engine.recheck import Recheck
from agent.engine.settings_in_force import KeptSettings
from agent.errors import AgentError
from agent.errors.settings import SettingsRefused
from agent.errors.store import LockHeld
from agent.planning import Plan
from agent.system.activity import Activity, Page
from agent.system.layout import Layout

IDLE_SECONDS = 60.0
"""So long nothing is under way, and nothing due soon, before it ends."""
TICK = 60.0
"""Longest sleep in seconds."""
CLOSING_WAIT = 5.0
"""Seconds that the last pass waits for the lock."""
WHO = "chainwright run"
OWN: Message = {"number": 0}
"""In place of a message: for a pass that nobody has asked for, but orders that have ended."""


def inherited(pipe: int, memory: int, trace: int) -> tuple[socket.socket, Activity]:
    """Return what the supervisor has given the process; from now on it says at a signal, and when it crashes, where it is."""
    faulthandler.enable(trace)
    faulthandler.register(TRACE_SIGNAL, trace)
    page = Page(memory)
    watch_for_orphanage(pipe, page)
    return socket.socket(fileno=pipe), Activity(page)


def serve(
    layout: Layout,
    end: socket.socket,
    *,
    who: str = WHO,
    clock: Callable[[], datetime] | None = None,
    host: HostReader = read_host,
    idle_seconds: float = IDLE_SECONDS,
    job_seconds: float = TIMEOUT,
    activity: Activity | None = None,
) -> int:
    """Make passes as the supervisor at the other end of the pipe asks for; return the exit code."""
    channel, settings = Channel(end), KeptSettings()
    listener = event_log.listener(lambda text, level: channel.send(say=[text, int(level)]))
    engine = Engine(
        layout, clock=clock, host=host, loader=settings, listeners=[listener], who=who, activity=activity or Activity()
    )
    with EventLoop(pokes=()) as loop:
        PassProcess(engine, settings, channel, loop, Jobs(engine, job_seconds), idle_seconds).serve()
    return 0


class WakeEvent(threading.Event):
    """Event that ends the sleep of a loop, too."""

    def __init__(self, wake: Callable[[], object]) -> None:
        super().__init__()
        self._wake = wake

    def set(self) -> None:
        """Set, and wake the sleeping loop."""
        super().set()
        self._wake()


class PassProcess:
    """The loop of the process."""

    def __init__(
        self,
        engine: Engine,
        settings: KeptSettings,
        channel: Channel,
        loop: EventLoop,
        jobs: Jobs,
        idle_seconds: float,
    ) -> None:
        """`settings`: the engine's."""
        self._engine = engine
        self._settings = settings
        self._channel = channel
        self._loop = loop
        self._idle_seconds = idle_seconds
        self._notes = Notes(engine.layout, engine.clock)
        self._jobs = jobs
        self._first_delivery: float | None = None
        self._due: datetime | None = None
        self._busy_at = time.monotonic()
        """When something was under way last."""
        self._told = ""
        """Refusal of the settings that was told already, by this process or an earlier one."""
        self._heard = False
        """Whether systemd wants to know how things are."""
        self._look_for_jobs_at: float | None = None
        """When jobs are looked for that were asked for beside another one: the agent's socket takes a few at a time only."""
        engine.workers.wake = WakeEvent(loop.wake)

    def serve(self) -> None:
        """Make passes until a signal, the end of the pipe or a rest, then let orders end and store what they brought."""
        self._loop.watch(self._channel.fileno(), lambda: None)
        self._channel.send(known=self._notes.known())
        while True:  # what was asked before all is taken, however long the start took
            for message in self._channel.received():
                self._take(message)
                self._take_up_waiting()
            if (reason := self._ended()) and not self._loop.stopping:
                self._pass(OWN | {"reason": reason})
            if self._look_for_jobs_at is not None and time.monotonic() >= self._look_for_jobs_at:
                self._look_for_jobs_at = None
                self._take_up_waiting()
            if self._jobs.are_overdue:
                self._end_jobs_over()
            if self._is_over:
                break
            self._loop.wait(self._seconds())
        self._end()

    # When

    @property
    def _is_over(self) -> bool:
        if self._loop.stopping or self._channel.over:
            return True
        if self._engine.workers.busy or self._jobs or self._is_due_soon or self._look_for_jobs_at is not None:
            self._busy_at = time.monotonic()
        return time.monotonic() >= self._busy_at + self._idle_seconds

    @property
    def _is_due_soon(self) -> bool:
        """Whether the next pass is due before another process would be worth its start."""
        return self._due is not None and (self._due - self._engine.clock()).total_seconds() < self._idle_seconds

    def _ended(self) -> str:
        """Say whether orders have ended: all, or those of ten seconds after the first, so that one reload serves many."""
        workers = self._engine.workers
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
        instants = [self._busy_at + self._idle_seconds, time.monotonic() + TICK]
        if self._first_delivery is not None:
            instants.append(self._first_delivery + GATHER_SECONDS)
        instants += [each for each in (self._jobs.deadline, self._look_for_jobs_at) if each is not None]
        return max(0.0, min(instants) - time.monotonic())

    # A pass

    def _take(self, message: Message) -> None:
        if self._is_enough_to_look(message):
            return
        self._busy_at = time.monotonic()
        self._told = message.get("told", self._told)
        self._heard = message.get("heard", self._heard)
        if "reason" in message:
            self._engine.avoided = frozenset(message.get("avoid", ()))
        if "api" in message:
            self._notes.note_api(message["api"])
        if "account" in message:
            self._notes.note_account(message["account"])
        if "lost" in message:
            self._notes.end_lost(message["lost"], message["why"])
        if "reason" in message and not self._loop.stopping:
            self._pass(message)

    def _is_enough_to_look(self, message: Message) -> bool:
        """Look up host names, where nothing else is due. That is not for what the process stays."""
        engine = self._engine
        if not is_about_looks(message) or engine.workers.busy or self._jobs or self._loop.stopping:
            return False
        found = looked(str(engine.layout.root), engine.clock().timestamp(), engine.resolve, names_alone=True)
        if found is None:
            return False
        self._channel.send(**answer(message, found))
        return True

    def _take_up_waiting(self) -> None:
        """Do the jobs that this process was not told of: the agent did not listen then, or has ended before it began them."""
        for job in [] if self._loop.stopping else self._jobs.waiting():
            self._pass(OWN | {"reason": "a change was waiting", "job": job})

    def _pass(self, message: Message) -> None:
        """Make a pass and say what came of it: `made`, `locked`, `failed` or `crashed`."""
        answer = {"number": message["number"], "reason": message["reason"]}
        self._channel.send(begins=message["reason"])
        try:
            made = self._made(message)
        except LockHeld as error:
            self._channel.send(**answer, outcome="locked", text=" ".join(error.problem.lines()))
        except AgentError as error:
            refused = isinstance(error, SettingsRefused)
            if refused:
                self._note_refusal(error)
            self._channel.send(**answer, outcome="failed", text=str(error), refused=refused)
        except Exception:
            self._channel.send(**answer, outcome="crashed", trace=traceback.format_exc())
        else:
            self._channel.send(**answer, outcome="made", **self._facts(made))
        self._end_jobs_over()
        if (seconds := until_delivery(self._engine)) is not None:
            self._channel.send(deliver=seconds)

    def _end_jobs_over(self) -> None:
        ended = self._jobs.end_those_over()
        if ended:
            self._channel.send(ended=ended)

    def _made(self, message: Message) -> Plan:
        if job := message.get("job"):
            self._look_for_jobs_at = time.monotonic() + ASKED.total_seconds()
            return self._jobs.run(job)
        recheck = Recheck(message.get("recheck", Recheck.NOTHING))
        self._engine.job = self._jobs.present if message["number"] == 0 else ""
        try:
            return self._engine.run_pass(wait=0.0, recheck=recheck)[0]
        finally:
            self._engine.job = ""

    def _facts(self, made: Plan) -> dict[str, Any]:
        """Return what the supervisor has to know after a pass."""
        self._first_delivery = None
        refusal, users = self._settings.refusal, self._settings.api_users
        now = self._engine.clock()
        self._due = next_pass.instant(made, now, names=False)
        self._notes.keep_users(users)
        self._notes.forget_account()
        self._note_refusal(refusal)
        status = attention(self._engine) if self._heard else ""
        return {
            "due": next_pass.instant(made, now).timestamp(),
            "users": users,
            "refusal": str(refusal or ""),
            "status": status,
            "hung": self._engine.hung,
            **what_to_watch(self._engine.layout),
        }

    def _note_refusal(self, refusal: AgentError | None) -> None:
        before, self._told = self._told, str(refusal or "")
        if refusal is not None and self._told != before:
            note_refusal(self._engine, refusal)

    # The end

    def _end(self) -> None:
        workers = self._engine.workers
        if workers.busy:
            self._channel.send(say=["waiting for orders that run", int(Level.INFO)])
            workers.stop(GRACE_SECONDS)
            self._store_deliveries()
        self._jobs.end_all()
        workers.close()
        self._channel.send(**LAST_WORDS)

    def _store_deliveries(self) -> None:
        try:
            self._engine.run_pass(wait=CLOSING_WAIT, orders=False)
        except AgentError as error:
            self._channel.send(say=[" ".join(error.problem.lines()), int(Level.ERROR)])
        except Exception:
            for line in traceback.format_exc().splitlines():
                self._channel.send(say=[line, int(Level.ERROR)])
