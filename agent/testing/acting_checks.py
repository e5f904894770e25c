"""Checks of what may act: sources, DNS solvers, notifiers, observers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from agent.contract.dns_solver import DnsSolver, TxtRecord
from agent.contract.notifier import Notifier, NotifierContext
from agent.contract.source import Due, Offer, RequestState, Source
from agent.dns.solver_context import SolverContext
from agent.engine.delivery_checks import differences_from
from agent.errors import AgentError
from agent.errors.plugin_checks import AnswerChanges, CallFailed, SourceFault
from agent.model.events import Event, EventKind
from agent.model.need import Request
from agent.pki.chain import Chain, KeyType
from agent.registry.dns_solvers import method_of
from agent.registry.hook_manager import HookManager
from agent.testing.appliance import Appliance, Killed
from agent.testing.findings import Findings, place_of_method
from agent.testing.hook_watch import HookWatch
from agent.testing.source_context import FakeSourceContext

T = TypeVar("T")
NAME = "check.example.com"
"""What a source is asked for, unless the test says otherwise."""
CHALLENGE = f"_acme-challenge.{NAME}"
TWICE = ("", " of the same records, a second time,")
OF_NONE = " of a record that is not there"
MOST_KILLS = 20
"""A source that goes on saving while it waits is let through in the end."""
NOTHING_KNOWN = RequestState(chain=None, bound=None, order=None, root=None)


class ActingChecks:
    """Checks of what one plugin contributes beside modules. Where `acts` is false nothing leaves this machine."""

    def __init__(
        self, findings: Findings, watch: HookWatch, box: Appliance, names: Iterable[str], *, acts: bool
    ) -> None:
        """`names`: those that a source is asked for."""
        self._findings = findings
        self._watch = watch
        self._box = box
        self._request = Request(names=frozenset(names), key_type=KeyType.ECDSA_P256)
        self._acts = acts

    # Sources

    def check_source(self, source: Source) -> None:
        """Ask what it offers and when; have it obtain a chain, killed after each state that it saves."""
        state, now = NOTHING_KNOWN, self._box.clock()
        with self._findings.checking(f"source {source.name}: offers"):
            offer = self._pure(source, "offers", lambda: source.offers(self._request, state), Offer)
            if offer and not offer.serves:
                self._findings.leave_out(f"{source.name}: an order, as it declines {NAME}: {offer.reason}")
                return
        with self._findings.checking(f"source {source.name}: due"):
            self._pure(source, "due", lambda: source.due(self._request, state, now), Due)
        if not self._acts:
            self._findings.leave_out(f"{source.name}: an order, which would be one")
            return
        with self._findings.checking(f"source {source.name}: obtain, killed after each state that it saves"):
            self._obtain(source)

    def _pure(self, source: Source, hook: str, call: Callable[[], T], kind: type) -> T | None:
        """Ask twice; return the answer. None: it can't be used."""
        place = place_of_method(source, hook)
        try:
            with self._watch.asking(hook, lambda: place):
                first, second = call(), call()
        except (Exception, SystemExit) as error:
            self._findings.add(CallFailed(hook, error, self._findings.files.place_of(error) or place))
            return None
        if not isinstance(first, kind):
            what = f"returned {type(first).__name__}, not {kind.__name__}"
            self._findings.add(SourceFault(source.name, hook, what, place))
            return None
        if first != second:
            self._findings.add(AnswerChanges(hook, place))
        return first

    def _obtain(self, source: Source) -> None:
        place = place_of_method(source, "obtain")
        context = FakeSourceContext(
            self._box.layout.webroot, self._box.clock, root=self._box.root, pause=self._pass_time
        )
        try:
            chain = self._obtained(source, context)
        except AgentError as error:
            self._findings.add(error)
        except (Exception, SystemExit) as error:
            self._findings.add(CallFailed("obtain", error, self._findings.files.place_of(error) or place))
        else:
            for what in self._wrong_with(chain):
                self._findings.add(SourceFault(source.name, "obtain", what, place))
        finally:
            context.close()

    def _obtained(self, source: Source, context: FakeSourceContext) -> object:
        """Return what an order brings whose process dies as soon as it has saved something new."""
        saved: dict[str, Any] = {}
        for _ in range(MOST_KILLS):
            order = context.for_order(saved=dict(saved), on_save=partial(_die_if_new, dict(saved)))
            with suppress(Killed):
                return source.obtain(self._request, order)
            saved = order.saved
        return source.obtain(self._request, context.for_order(saved=saved))

    def _wrong_with(self, chain: object) -> Iterable[str]:
        if not isinstance(chain, Chain):
            return [f"returned {type(chain).__name__}, not Chain"]
        return [f"delivered a chain that can't be used: {each}" for each in differences_from(chain, self._request)]

    def _pass_time(self, seconds: float) -> None:
        self._box.clock.offset += timedelta(seconds=seconds)

    # DNS solvers

    def check_solver(self, name: str, solver: DnsSolver) -> None:
        """Publish two answers at one name, as for a name and its wildcard, and take them back.

        Each twice, as after a crash; then one is taken back that isn't there.
        """
        if not self._acts:
            self._findings.leave_out(f"{name}: its records, as nothing may be published")
            return
        context = SolverContext(self._box.layout.rooted, self._box.clock)
        one, two, never = (TxtRecord(name=CHALLENGE, value=value * 43, zone="", domain=NAME) for value in "ABC")
        with self._findings.checking(f"DNS solver {name}: check_record"):
            self._call(solver, "check_record", replace(one, value=""), context)
        for method, rounds in (("present", [*TWICE]), ("clean_up", [*TWICE, OF_NONE])):
            written = method_of(type(solver), method)
            with self._findings.checking(f"DNS solver {name}: {written}"):
                before = len(self._findings.faults)
                for how in rounds:
                    records = [never] if how == OF_NONE else [one, two]
                    if len(self._findings.faults) == before:  # what fails once fails again
                        self._call(solver, f"{method}_all", records, context, named=written, how=how)

    # Notifiers and observers

    def check_notifier(self, name: str, notifier: Notifier) -> None:
        """Ask of each kind of event whether it wants it, and have it send those that it wants."""
        wanted = []
        with self._findings.checking(f"notifier {name}: wants"):
            place = place_of_method(notifier, "wants")
            with self._watch.asking("wants", lambda: place):
                wanted = [event for event in self._events() if self._call(notifier, "wants", event)]
        if not self._acts:
            self._findings.leave_out(f"{name}: its messages, as nothing may be sent")
            return
        with self._findings.checking(f"notifier {name}: send"):
            for event in wanted:
                context = NotifierContext(host="gw", now=self._box.clock(), stopping=lambda: False)
                self._call(notifier, "send", event, context)

    def check_observer(self, name: str, observer: object) -> None:
        """Tell an observer of each kind of event, as the core does."""
        manager = HookManager(only="on_event")
        manager.register(observer, name)
        if not manager.hook.on_event.get_hookimpls():
            return
        if not self._acts:
            self._findings.leave_out(f"{name}: what it does with events")
            return
        with self._findings.checking(f"{name}: on_event"):
            for event in self._events():
                try:
                    manager.hook.on_event(event=event)
                except (Exception, SystemExit) as error:
                    self._findings.add(CallFailed("on_event", error, self._findings.files.place_of(error)))

    def _events(self) -> list[Event]:
        return [
            Event(at=self._box.clock(), kind=kind, text="a sample", job="check", module="", detail={})
            for kind in EventKind
        ]

    def _call(self, called: object, method: str, *arguments: object, named: str = "", how: str = "") -> object:
        """`named`: the method that the author has written, where another one calls it. `how`: what is particular of this call."""
        try:
            return getattr(called, method)(*arguments)
        except (Exception, SystemExit) as error:
            written = named or method
            place = self._findings.files.place_of(error) or place_of_method(called, written)
            self._findings.add(CallFailed(f"{written}{how}", error, place))
            return None


def _die_if_new(before: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    if state != before:
        raise Killed
