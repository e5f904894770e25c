"""The one way by which the core calls code of plugins: whatever it does costs its owner only.

A call runs in a thread of its own, within a time; what it prints goes to the log, whatever it raises is caught, and the plugin
that is to blame is the one in whose files the last line of the traceback is.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Collection
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial
from typing import NamedTuple, TypeVar

from agent.errors.plugin import PluginHangs
from agent.registry.call_thread import Call, CallThread
from agent.registry.culprits import Culprits, Place
from agent.registry.plugin_output import SPEAKER, Speaker, listen
from agent.registry.process_state import Changes, ProcessChanged, ProcessWatch
from agent.registry.tracing import HookTrace, trace_of
from agent.registry.wrapper_faults import misused
from agent.system.activity import HOOK_SECONDS, Activity

T = TypeVar("T")
PATIENCE_SECONDS = 5.0
"""After so long it is said what is waited for."""
MOST_SECONDS = 30.0
"""So long a plugin may take for one answer: it declares, and waits for nothing."""
IMPORT_SECONDS = 60.0
"""So long its import may take: of a big library on a slow disk."""
OBTAIN_SECONDS = 60.0
"""So long a source may take for a chain, where it says that it needs no network: meanwhile the lock is held."""
SLICE_SECONDS = 1.0
"""The time is counted in these: while the process is stopped, none passes."""
SAY_WAITING: ContextVar[Callable[[str], object] | None] = ContextVar("SAY_WAITING", default=None)
"""Is told what guards wait for that have no `say_waiting` yet: while settings and plugins are loaded."""
IMPORT = "its import"
"""What is asked of a plugin when it is loaded."""
AVOIDED = "it hung, or processes died of it; it is asked again when a file has changed, or after a while"


class Asked(NamedTuple):
    """What a call is about, for those who have to be told."""

    plugin: str
    """Name of the plugin that is asked."""
    hook: str
    subject: str
    """What it is asked about: a module, ``source "vault"``."""
    effect: str = ""
    """What becomes of the subject where the plugin hangs."""
    others: tuple[str, ...] = ()
    """Plugins that take part: those that wrap the hook."""
    reached: tuple[str, ...] = ()
    """Plugins whose code the asked one may call: where one of them hangs, that one alone isn't asked again."""

    @property
    def parties(self) -> tuple[str, ...]:
        """Return the plugins whose code is known to run."""
        return (self.plugin, *self.others, *self.reached)


class PluginFailed(Exception):
    """What a plugin raised, with the plugin that is to blame."""

    def __init__(self, asked: Asked, error: BaseException, place: Place | None = None) -> None:
        super().__init__(asked, error)
        self.asked = asked
        self.error = error
        self.plugin = place.plugin if place else asked.plugin
        """The one in whose files it was raised; the one that was asked where it is in nobody's."""
        self.place = str(place) if place else ""
        """``FILE:LINE``, where that is known."""


class Guard:
    """Caller of plugins. Any thread may use it; a plugin that is asked may lead to further calls."""

    def __init__(
        self,
        culprits: Culprits | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        most: float = MOST_SECONDS,
        imports: float = IMPORT_SECONDS,
        obtaining: float = OBTAIN_SECONDS,
        say: Callable[[str], object] | None = None,
        trace: HookTrace | None = None,
    ) -> None:
        """`most`: seconds for one call; `imports`: for an import; `obtaining`: for a chain of a source that needs no network.

        `say` is told what is waited for and what plugins print; default: standard error. `trace`: is told of each call; default:
        the one that the environment asks for.
        """
        self.culprits = culprits or Culprits()
        self.activity = Activity()
        """What tells others who is asked."""
        self.avoided: Collection[str] = ()
        """Plugins that are not asked, as passes hung or died of them."""
        self.hung: dict[str, PluginHangs] = {}
        """Plugins that did not answer; they are not asked again by this process."""
        self.say = say or _to_stderr
        self.say_waiting: Callable[[str], object] | None = None
        """Is told what is waited for, in place of `say`."""
        self._trace = trace or trace_of(os.environ)
        self._patience = patience
        self._most = most
        self.import_seconds = imports
        self.obtain_seconds = obtaining
        self._idle: list[CallThread] = []
        self._watch = ProcessWatch()
        weakref.finalize(self, _end_all, self._idle).atexit = False  # its threads would go on waiting
        self._process = os.getpid()

    def apart(self) -> Guard:
        """Return one like it for a trial: a plugin that hangs in it is still asked by this one."""
        return Guard(self.culprits, patience=self._patience, most=self._most, imports=self.import_seconds, say=self.say)

    def plugin_of(self, kind: type) -> str:
        """Return the plugin that a contributed class is of."""
        file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
        return self.culprits.plugin_of(file) or str(getattr(kind, "name", "") or kind.__name__)

    def call(
        self,
        asked: Asked,
        work: Callable[[], T],
        *,
        contract: tuple[type[BaseException], ...] = (),
        most: float | None = None,
    ) -> T:
        """Have `work` done in a thread of its own, and return what it returns.

        `contract`: errors that the plugin may raise, which go on to the caller. Raises `PluginFailed` for all others, and
        `PluginHangs`, now and at each further call, where it takes longer than `most` seconds.
        """
        done = partial(self._call, asked, work, contract, most or self._most)
        return self._trace.traced(asked, done) if self._trace else done()

    def _call(self, asked: Asked, work: Callable[[], T], contract: tuple[type[BaseException], ...], most: float) -> T:
        self._refuse(asked)
        speaker, context = Speaker(asked.plugin, self.say), copy_context()
        context.run(SPEAKER.set, speaker)
        call, thread = Call(work, context), self._thread()
        listen()
        stdout = sys.stdout
        seconds = max(HOOK_SECONDS, 2 * most)  # another process ends this one only where giving up fails
        self._watch.begin()
        try:
            with self.activity.doing(f"plugin {asked.plugin}", f"{asked.hook} of {asked.subject}", seconds):
                thread.begin(call)
                if not thread.ended(min(self._patience, most)):
                    self._wait(thread, asked, most)
        finally:
            changes = self._watch.end()
        self._idle.append(thread)
        speaker.close()
        if sys.stdout is not stdout:
            sys.stdout = stdout
        if call.error is not None:
            raise self._what(asked, call.error, contract)
        if changes.words:
            self._tell(asked, changes)
        return call.value  # type: ignore[return-value]

    def _tell(self, asked: Asked, changes: Changes) -> None:
        """Raise `PluginFailed`; but libraries change things at their import, for which nobody is to be blamed."""
        if changes.is_known and asked.hook != IMPORT:
            raise PluginFailed(asked, ProcessChanged(f"it changed the process's {changes.words}, which was put back"))
        whose = f"plugin {asked.plugin}" if changes.is_known else f"one of some plugins, {asked.plugin} among them,"
        self.say(f"{whose} changed the process's {changes.words}; it was put back")

    def here(self, asked: Asked, work: Callable[[], T], *, contract: tuple[type[BaseException], ...] = ()) -> T:
        """Do the same in this thread and without a limit: for what takes its time, and is stopped by other means."""
        done = partial(self._here, asked, work, contract)
        return self._trace.traced(asked, done) if self._trace else done()

    def _here(self, asked: Asked, work: Callable[[], T], contract: tuple[type[BaseException], ...]) -> T:
        self._refuse(asked)
        speaker = Speaker(asked.plugin, self.say)
        listen()
        token = SPEAKER.set(speaker)
        self._watch.begin()
        try:
            return work()
        except (Exception, SystemExit) as error:
            raise self._what(asked, error, contract) from error
        finally:
            self._watch.end()
            SPEAKER.reset(token)
            speaker.close()

    def _refuse(self, asked: Asked) -> None:
        for plugin in asked.parties:
            if before := self.hung.get(plugin):
                raise PluginHangs(plugin, before.hook, before.seconds, asked.subject, asked.effect, before.place)
            if plugin in self.avoided:
                raise PluginFailed(asked, TimeoutError(AVOIDED))

    def _thread(self) -> CallThread:
        """Return a thread that has nothing to do. A fork leaves none."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._idle.clear()
            self._watch = ProcessWatch()
        try:
            return self._idle.pop()
        except IndexError:
            return CallThread()

    def _wait(self, thread: CallThread, asked: Asked, most: float) -> None:
        """Wait for the rest of the time, and say so. Raises `PluginHangs`."""
        place = self._place(thread, asked)
        at = f" (line {place.line})" if place.line else ""
        (self.say_waiting or SAY_WAITING.get() or self.say)(f"waiting for plugin {place.plugin}: {asked.hook}{at}")
        left = most - self._patience
        while left > 0:
            if thread.ended(min(left, SLICE_SECONDS)):
                return
            left -= SLICE_SECONDS
        place = self._place(thread, asked)
        where = str(place) if place.line else ""
        thread.abandon()
        error = PluginHangs(place.plugin, asked.hook, most, asked.subject, asked.effect, where)
        self.hung[place.plugin] = error
        if place.plugin not in asked.parties:  # it hangs in another one's code: that one isn't asked by name
            self.hung[asked.plugin] = error
        raise error

    def _place(self, thread: CallThread, asked: Asked) -> Place:
        return self.culprits.of_frame(thread.frame) or Place(asked.plugin, "", 0)

    def _what(self, asked: Asked, error: BaseException, contract: tuple[type[BaseException], ...]) -> BaseException:
        """Return what goes on to the caller."""
        if isinstance(error, contract):
            return error
        failed = PluginFailed(asked, misused(error) or error, self.culprits.of_error(error))
        failed.__cause__ = error
        return failed


def _end_all(threads: list[CallThread]) -> None:
    """End threads that wait for calls."""
    while threads:
        threads.pop().end()


def _to_stderr(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
