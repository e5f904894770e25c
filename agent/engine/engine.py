"""The engine runs passes: under the lock all that needs no network, beside it the orders, whose chains the next one deploys."""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from agent.engine.account_keys import with_account_key
from agent.engine.agent_pass import Pass
from agent.engine.audit_check import check_audit_record
from agent.engine.boot import Booted, undo_first
from agent.engine.bus import Bus, Listener
from agent.engine.clock_notes import note_clock, settle_times
from agent.engine.command_findings import note_commands
from agent.engine.conditions import note_repairs
from agent.engine.deferred_orders import DeferredOrders
from agent.engine.followed_listeners import follow_listeners
from agent.engine.freshness import InputsFingerprint
from agent.engine.host import read_host
from agent.engine.inquiries import settle_findings
from agent.engine.integrity import IntegrityCheck
from agent.engine.name_resolution import with_resolved_names
from agent.engine.orders import settle_deliveries
from agent.engine.pass_failures import failures_noted, note_settings
from agent.engine.pass_inputs import (
    HostReader,
    LastHooks,
    PassInputs,
    read_pass_inputs,
)
from agent.engine.places import make_places
from agent.engine.policy_questions import settle_policies
from agent.engine.recheck import Recheck
from agent.engine.record_looks import settle_record_looks
from agent.engine.recovering import finish_restore, note_restore, on_whole_database, take_in_what_is_newer
from agent.engine.settings_in_force import KeptSettings, keep, refusal_of
from agent.engine.tlsa_questions import settle_answers
from agent.engine.unchanged_settings import Loader, load_settings
from agent.engine.up_to_date import note_up_to_date
from agent.engine.window_leftovers import left_windows, take_over
from agent.engine.workers import Workers
from agent.errors.settings import SettingsRefused
from agent.model.events import Event, EventKind
from agent.planning import (
    AskDns,
    AskPolicies,
    AskTheTime,
    CloseWindows,
    Inquire,
    LookAtRecords,
    Obtain,
    Plan,
    RemoveRecords,
)
from agent.planning.leftovers import closings
from agent.probing.probe import Prober
from agent.registry.guard import Guard
from agent.report import Report
from agent.store import Store
from agent.system.activity import LOADING_SECONDS, Activity
from agent.system.clock import Clock, belief_of
from agent.system.clock_judgement import Belief
from agent.system.command import Runner, SystemRunner
from agent.system.layout import Layout
from agent.system.leftovers import remove_leftovers
from agent.system.lock import held
from agent.system.modes import places_of_state, repaired
from agent.system.resolving import Resolve, addresses_of

GATHER_SECONDS = 10.0
"""After the first order has ended, others are waited for so long, so that one reload serves them all."""
GRACE_SECONDS = 5.0
"""For orders that are asked to stop."""
READING = "pass pass", "reading the settings and loading the plugins"
INQUIRY_SECONDS = 30.0
"""A run waits for so long when there is nothing left but inquiries: they can be made in the next one as well."""


@dataclass(frozen=True)
class Result:
    """Outcome of a run."""

    plan: Plan
    """What there still is to do, and when."""
    performed: tuple[str, ...]
    """Lines for people: what was done."""
    unfinished: bool
    """Orders go on in the next run."""
    report: Report | None = None
    """What a status says now, where it had to be asked anyway."""


class Engine:
    """Runs passes over one appliance. Clock, runner, prober, host facts and resolver can be replaced."""

    def __init__(
        self,
        layout: Layout,
        *,
        clock: Callable[[], datetime] | None = None,
        runner: Runner | None = None,
        prober: Prober | None = None,
        host: HostReader = read_host,
        loader: Loader = load_settings,
        listeners: Sequence[Listener] = (),
        who: str = "chainwright",
        job: str = "",
        activity: Activity | None = None,
        resolve: Resolve = addresses_of,
    ) -> None:
        """`job`: id of every pass; empty: each gets one of its own. `activity`: what tells others what is done here."""
        self.layout = layout
        self._clock = clock or Clock(layout.root)
        self.activity = activity or Activity()
        self.avoided: frozenset[str] = frozenset()
        """Plugins that are not asked, as passes hung or died of them."""
        self._guard: Guard | None = None
        """What has asked the plugins in the last pass."""
        self.copy_seconds = math.inf
        """What the copy of an older version's database may take, before it is brought up to date without."""
        self.runner = runner or SystemRunner(layout.root, self.activity)
        self.prober = prober or Prober()
        self.host = host
        self.resolve = resolve
        self.loader = loader
        self._report: Report | None = None
        self._is_shown = bool(listeners)
        """Whether somebody looks at events while they come."""
        self.bus = Bus((*listeners, lambda _event: self.activity.progress()))
        self.who = who
        self.job = job
        self.workers = Workers(layout, self.bus, self._clock)
        self._deferred = DeferredOrders()
        self._hooks = LastHooks()

    def clock(self) -> datetime:
        """Return the present instant, UTC, as far as the machine's clock is believed."""
        return self._clock()

    def belief(self) -> Belief:
        """Return the present instant with the doubt about the machine's clock, if there is one."""
        return belief_of(self._clock)

    @property
    def hung(self) -> list[str]:
        """Return the plugins that did not answer and aren't asked again by this process."""
        return sorted(self._guard.hung) if self._guard else []

    def plan(self, *, windows: bool = True) -> Plan:
        """Return what is due, changing nothing."""
        with Store.open_or_empty(self.layout) as store:
            inputs = read_pass_inputs(self.layout, store, self.host, self.loader)
            return self._pass(store, inputs, "").plan(windows=windows)

    def apply(
        self,
        *,
        timeout: float = 300.0,
        wait: float = 60.0,
        windows: bool = True,
        retry: bool = False,
        recheck: Recheck = Recheck.NOTHING,
    ) -> Result:
        """Run passes until nothing is due and no order runs, or `timeout` seconds have passed, which are those of `wait` as well.

        `retry`: try at once again what was refused before anything had changed; what was rolled back still waits.
        `recheck`: which endpoints to look at first, whenever they were looked at last.
        Raises `LockHeld` when another process has the lock for more than `wait` seconds, `SettingsRefused`, `StoreError`.
        """
        self._deferred = DeferredOrders(math.inf)
        try:
            return self._apply(time.monotonic() + timeout, wait, windows=windows, retry=retry, recheck=recheck)
        finally:
            self.workers.close()

    def _apply(self, deadline: float, wait: float, *, windows: bool, retry: bool, recheck: Recheck) -> Result:
        performed: list[str] = []
        while True:
            patience = min(wait, max(0.0, deadline - time.monotonic()))
            made, done = self.run_pass(wait=patience, windows=windows, retry=retry, recheck=recheck)
            performed += done
            recheck, retry = Recheck.NOTHING, False
            if not self.workers.busy:
                return Result(made, tuple(performed), unfinished=False, report=self._report)
            if not self._gather(deadline):
                unfinished = self.workers.ordering
                self.workers.stop(GRACE_SECONDS)
                made, done = self.run_pass(wait=min(wait, GRACE_SECONDS), windows=windows, orders=False)
                return Result(made, (*performed, *done), unfinished)

    def run_pass(
        self,
        *,
        wait: float,
        windows: bool = True,
        orders: bool = True,
        recheck: Recheck = Recheck.NOTHING,
        retry: bool = False,
    ) -> tuple[Plan, list[str]]:
        """Run one pass: settle what orders brought, do all that needs no network, start the orders that are due.

        `recheck`: which endpoints to look at, whenever they were looked at last. `retry`: as for `apply`.
        """
        work = partial(self._run_pass, wait=wait, windows=windows, orders=orders, recheck=recheck, retry=retry)
        return on_whole_database(self.layout, self.clock, self.bus, wait, work)

    def _run_pass(
        self, *, wait: float, windows: bool, orders: bool, recheck: Recheck, retry: bool
    ) -> tuple[Plan, list[str]]:
        job = self.job or secrets.token_hex(4)
        with self._locked(wait) as store, self.activity.passing():
            last = store.journal.range()[1]
            self.bus.publish(store, Event(at=self.clock(), kind=EventKind.PASS_STARTED, text=self.who, job=job))
            fingerprint = InputsFingerprint(str(self.layout.root))
            settled = self._settle(store, job)
            asked = retry or recheck is not Recheck.NOTHING
            current = self._prepared(store, job, fingerprint.digest, retry=asked)
            follow_listeners(store, current.inputs, last, self.clock())
            note_commands(store, current.inputs, fingerprint.digest, self.clock(), again=asked)
            current.performed += settled
            fingerprint.add(str(path) for path in current.inputs.sources)
            integrity = IntegrityCheck(store, self.clock)
            current.performed += integrity.begin()
            check_audit_record(store, self.clock())
            current.recover()
            self._report = None
            if recheck is not Recheck.NOTHING:
                current.recheck_endpoints(recheck)
            if retry:
                current.reset_backoff()
            current.perform(windows=windows)
            made = current.plan(windows=windows)
            if orders:
                self._start(store, current, made, job)
            current.close(made)
            if not made.actions and current.all_modules_ok and not self._has_other_work:
                self._report = note_up_to_date(
                    store, made, fingerprint, current.inputs.settings.probe.interval, self.belief()
                )
            self.bus.publish(store, Event(at=self.clock(), kind=EventKind.PASS_ENDED, text=self.who, job=job))
            current.performed += integrity.end()
            return made, current.performed

    @contextmanager
    def _locked(self, wait: float) -> Iterator[Store]:
        """Hold the lock, with the store open; why a pass fails in it is noted."""
        lock = held(self.layout.lock, wait=wait)
        with lock:
            taken_back = finish_restore(self.layout)
            repairs = repaired(places_of_state(self.layout), self.layout.state)
            with (
                Store.open(self.layout, copy_seconds=self.copy_seconds, several_threads=True) as store,
                failures_noted(store, self.clock),
            ):
                note_clock(self._clock, store, self.bus)
                note_repairs(store, repairs, self.clock())
                make_places(store, self.clock())
                remove_leftovers(self.layout)
                take_over(store, self.clock())
                note_restore(store, taken_back, self.clock(), self.bus)
                take_in_what_is_newer(store, self.clock(), self.bus)
                yield store

    @property
    def _has_other_work(self) -> bool:
        """Whether another run would have something to do that the plan doesn't show."""
        return self.workers.busy or self._deferred.failed or refusal_of(self.loader) is not None

    def boot(self) -> Booted:
        """Make sure that every module has files to start with: local chains and last good generations, no network.

        What a crash has left in the middle is undone before any plugin is asked. Services are neither reloaded nor waited for.
        """
        return on_whole_database(self.layout, self.clock, self.bus, 0.0, self._boot)

    def _boot(self) -> Booted:
        job = secrets.token_hex(4)
        with self._locked(0.0) as store:
            undone = undo_first(store, self.bus, self.clock(), job)
            fingerprint = InputsFingerprint(str(self.layout.root))
            current = self._prepared(store, job, fingerprint.digest, network=False)
            current.recover(boot=True)
            current.perform(windows=True, boot=True)
            current.close(current.plan())
            return Booted((*undone, *current.performed), current.failures)

    def _settle(self, store: Store, job: str) -> list[str]:
        """Store what orders and inquiries have brought: needs and chains are read afterwards. Return lines for people."""
        settle_times(self._clock, self.workers, store, self.bus)
        with self.workers.tlsa_answers() as answers:
            settle_answers(store, answers, self.clock())
        with self.workers.removals():
            pass
        with self.workers.policies() as policies:
            settle_policies(store, policies, self.clock())
        with self.workers.record_looks() as records:
            settle_record_looks(store, records)
        with self.workers.ended() as (deliveries, findings):
            now = self.clock()
            settle_deliveries(store, self.bus, deliveries, now=now, job=job)
            performed = settle_findings(store, self.bus, findings, now=now, job=job)
            self._deferred.note(deliveries)
        return [*performed, *(str(each) for each in deliveries if each.chain is not None)]

    def _prepared(self, store: Store, job: str, digest: str, *, network: bool = True, retry: bool = False) -> Pass:
        """Return a pass on settings, plugins and host as they are now, with the account key that services answer with.

        `digest`: fingerprint of what is on disk. `network`: host names may be looked up. `retry`: those that didn't
        resolve are looked up again.
        Raises `SettingsRefused`, when what a crash has left is finished or undone.
        """
        try:
            told = self.workers.telling_of_waiting(job) if self._is_shown else nullcontext()
            with self.activity.doing(*READING, LOADING_SECONDS), told:
                inputs = read_pass_inputs(self.layout, store, self.host, self.loader, self._hooks)
        except SettingsRefused as error:
            note_settings(store, error, digest, self.clock())
            self._recover_with_last_good(store, job)
            self._close_windows(store)
            raise
        refusal = refusal_of(self.loader)
        note_settings(store, refusal, digest, self.clock())
        if refusal is None:
            keep(store, inputs.settings)
        self.workers.tidy(inputs.settings.rungs.values())
        self.watch(inputs)
        if self._is_shown:
            self.workers.tell_of_waiting(inputs.hooks.guard, job)
        if network:
            inputs = with_resolved_names(inputs, store, self.resolve, self.clock(), retry=retry)
        return self._pass(store, with_account_key(inputs, store, self.clock()), job)

    def _recover_with_last_good(self, store: Store, job: str) -> None:
        """Finish or undo what a crash has left: services must not wait for somebody who corrects the settings."""
        if store.deployments.transactions():
            with contextlib.suppress(SettingsRefused):
                inputs = read_pass_inputs(self.layout, store, self.host, KeptSettings())
                self._pass(store, inputs, job).recover()

    def _close_windows(self, store: Store) -> None:
        """Have those closed that are due: a firewall must not wait for somebody who corrects the settings."""
        for each in closings(left_windows(store, self.clock()), self.clock()).due:
            if isinstance(each, CloseWindows):
                self.workers.close_windows(store, each.windows)

    def watch(self, inputs: PassInputs) -> None:
        """Have the plugins told of that are asked, and left out which are to be avoided."""
        self._guard = inputs.hooks.guard
        self._guard.activity, self._guard.avoided = self.activity, self.avoided

    def _pass(self, store: Store, inputs: PassInputs, job: str) -> Pass:
        self.watch(inputs)
        services = self.workers.services(
            inputs.enabled.http01, job, store, settings=inputs.settings, askers=inputs.hooks.window_askers
        )
        return Pass(
            store, inputs, self.bus, self.runner, self.prober, self._clock, services, deferred=self._deferred.keys
        )

    def _start(self, store: Store, current: Pass, made: Plan, job: str) -> None:
        orders = [each for each in made.actions if isinstance(each, Obtain) and not each.immediate]
        inquiries = [each for each in made.actions if isinstance(each, Inquire)]
        inputs = current.inputs
        services = self.workers.services(
            inputs.enabled.http01, job, settings=inputs.settings, askers=inputs.hooks.window_askers
        )
        self.workers.order(store, [(current.source(each.source), each) for each in orders], services)
        asked = [(current.source(each.source), each) for each in inquiries]
        self.workers.inquire(store, asked, services, private=current.inputs.settings.fetch.private)
        for each in made.actions:
            if isinstance(each, AskDns):
                self.workers.ask_dns(store, each.owners, current.inputs.resolvers)
            elif isinstance(each, AskPolicies):
                self.workers.ask_policies(store, each.domains)
            elif isinstance(each, RemoveRecords):
                self.workers.remove_records(store, each.names, services)
            elif isinstance(each, CloseWindows):
                self.workers.close_windows(store, each.windows)
        looks = [(current.source(each.source), each) for each in made.actions if isinstance(each, LookAtRecords)]
        self.workers.look_at_records(store, looks, services)
        if any(isinstance(each, AskTheTime) for each in made.actions):
            self.workers.ask_the_time(current.rungs, services)

    def _gather(self, deadline: float) -> bool:
        """Wait until orders have ended: all, or those of ten seconds after the first. False: the time is up."""
        first: float | None = None
        if not self.workers.ordering:
            deadline = min(deadline, time.monotonic() + INQUIRY_SECONDS)
        while True:
            now = time.monotonic()
            if self.workers.delivered and first is None:
                first = now
            if first is not None and (self.workers.all_delivered or now >= first + GATHER_SECONDS):
                return True
            if now >= deadline:
                return False
            until = min(deadline, first + GATHER_SECONDS) if first is not None else deadline
            self.workers.wake.wait(max(0.0, until - now))
            self.workers.wake.clear()
