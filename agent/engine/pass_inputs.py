"""Inputs of a pass: settings and plugins as they are on disk now, and what the store knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from agent.config.settings import ModuleEntry, Settings
from agent.contract.context import Http01, Issuer, ModulePart
from agent.engine.account_keys import key_owners
from agent.engine.dns_leftovers import as_tables_are, left_records
from agent.engine.host import read_host
from agent.engine.policies import remembered_policies
from agent.engine.policy_questions import known_policies
from agent.engine.source_findings import named_files
from agent.engine.unchanged_settings import Loaded, Loader, load_settings
from agent.engine.window_leftovers import left_windows
from agent.errors import AgentError, Problem
from agent.errors.damage import FileUnreadable
from agent.errors.plugin import ModuleRaised
from agent.model.delivery import Listeners
from agent.model.deployment import Refusal, RefusedKind
from agent.model.need import HostFacts, Need
from agent.model.persistent import PersistentLook, proved
from agent.model.resolved import by_module
from agent.model.root import RootPhase, signers
from agent.planning import ClockDoubt, Declared, State
from agent.planning.evidence import Evidence
from agent.registry.dns_solvers import dns_zones
from agent.registry.hooks import Hooks
from agent.registry.listeners import listeners_of
from agent.registry.missing_policies import MissingPolicy, missing_policies
from agent.registry.plugin_record import PluginRecord
from agent.rendering.enabled_modules import EnabledModules
from agent.store import Store
from agent.store.modules import ModuleRecord
from agent.store.restarts import read_restarts
from agent.system.layout import Layout
from agent.system.obstacles import obstacle

HostReader = Callable[[Settings], HostFacts]


@dataclass(frozen=True)
class PassInputs:
    """Settings, plugins and host facts of one pass."""

    settings: Settings
    enabled: EnabledModules
    plugins: tuple[PluginRecord, ...] = ()
    """Every plugin that is installed, with what is wrong with it."""
    listeners: Listeners = field(default_factory=dict)
    """Who is told of events."""
    problems: Mapping[str, Problem] = field(default_factory=dict)
    """Modules that could not be asked for the host names that they need addresses of, and why."""

    @property
    def hooks(self) -> Hooks:
        """Asks the modules."""
        return self.enabled.hooks

    @property
    def sources(self) -> list[Path]:
        """Files and directories that were read, beside those that every pass reads."""
        named = named_files(self.settings.rungs.values(), self.enabled.layout.rooted)
        return [*self.enabled.sources(), *self.settings.secret_files, *named]

    @property
    def resolvers(self) -> tuple[tuple[str, int], ...]:
        """DNS servers to ask for TLSA records; none: those of the system."""
        return tuple((each.host, each.port) for each in self.settings.dane.resolvers)


@dataclass(frozen=True)
class Declarations:
    """Declarations of all modules."""

    needs: tuple[Need, ...]
    modules: tuple[Declared, ...]
    """Those that can be deployed."""
    records: tuple[ModuleRecord, ...]
    """Every ``[modules.NAME]`` table."""


class MadeHooks(NamedTuple):
    """What is made of settings and plugins to ask them."""

    hooks: Hooks
    listeners: Listeners
    """Who is told of events."""


class LastHooks:
    """Hooks of what was loaded last: making them takes 5 ms, and they stay as long as the loader gives the same objects."""

    def __init__(self) -> None:
        self._made: tuple[Loaded, list[MissingPolicy], MadeHooks] | None = None

    def __call__(self, loaded: Loaded, policies: Mapping[str, Sequence[str]] | None = None) -> MadeHooks:
        """Return the hooks of what was loaded, and who is told of events.

        `policies`: plugin -> hooks that it wrapped when it worked last.
        """
        settings, registry = loaded
        missing = missing_policies(policies or {}, registry.plugins, settings.failures)
        if self._made is None or self._made[0] is not loaded or self._made[1] != missing:
            asked = {f"plugins.{name}": each for name, each in settings.plugin_settings.items()}
            hooks = Hooks(
                settings.modules, {**registry.enabled_plugins, **asked}, settings.services, registry.guard, missing
            )
            found = listeners_of(registry, settings.plugin_settings, settings.modules, settings.notifiers)
            listeners = {name: (each.kind, each.plugin) for name, each in found.items()}
            self._made = loaded, missing, MadeHooks(hooks, listeners)
        return self._made[2]


def read_pass_inputs(
    layout: Layout,
    store: Store | None,
    host: HostReader = read_host,
    loader: Loader = load_settings,
    last_hooks: LastHooks | None = None,
) -> PassInputs:
    """Load settings and plugins. Raises `SettingsRefused`. `store` None: the first look, before there is one.

    `last_hooks`: those of the last pass, for a process that makes several, one at a time.
    """
    loaded = loader(layout)
    settings, registry = loaded
    modules = settings.modules
    policies = remembered_policies(store) if store else {}
    hooks, listeners = (last_hooks or LastHooks())(loaded, policies)
    facts = host(settings)
    enabled = EnabledModules(
        layout=layout,
        hooks=hooks,
        modules=modules,
        services=settings.services,
        host=replace(facts, failing=store.failing.names(settings.rungs)) if store else facts,
        http01=Http01(webroot=layout.webroot, thumbprint=_thumbprint(settings, store) if store else None),
        issuers=_issuers(settings, hooks, store) if store else (),
        lost=_lost_parts(layout, settings, store) if store else {},
        resolved=by_module(store.resolved.all()) if store else {},
    )
    return PassInputs(settings, enabled, registry.plugins, listeners)


def _thumbprint(settings: Settings, store: Store) -> str | None:
    present = store.account_keys.present() if "" in key_owners(settings.rungs.values()) else None
    return present.thumbprint if present else None


def declare(inputs: PassInputs, store: Store) -> Declarations:
    """Ask every module for its needs; one that can't be asked keeps its last ones, and one that can't be read its files."""
    needs: list[Need] = []
    declared: list[Declared] = []
    records: list[ModuleRecord] = []
    last = {record.name: record for record in store.modules.all()}
    for name, entry in inputs.settings.entries.items():
        problem = entry.error.problem if entry.error else None
        if entry.enabled and entry.module is not None:
            found, problem = _needs(inputs, store, name)
            needs += found
            services = [inputs.enabled.services[each] for each in entry.module.services]
            withheld = inputs.hooks.withheld(entry.module, services)
            problem = problem or (withheld.problem if withheld else None)
            try:
                addresses = inputs.enabled.addresses(name)
                of_all = inputs.enabled.inputs(name)
                declared.append(Declared(name, of_all, entry.module.window, addresses, withheld is not None))
            except Exception as error:  # a disk that fails, a field of a plugin that raises
                problem = problem or _unread(name, error).problem  # the first one tells why
        elif entry.enabled:
            needs += store.modules.needs(name)
        records.append(_record(last.get(name), entry, problem))
    return Declarations(tuple(needs), tuple(declared), tuple(records))


def state_of(
    inputs: PassInputs,
    store: Store,
    now: datetime,
    deferred: frozenset[tuple[str, str]] = frozenset(),
    doubt: ClockDoubt | None = None,
) -> State:
    """Return what the store knows, as far as planning goes. `deferred`: orders that are not to be tried again yet."""
    roots, crosses, refusals = store.roots.all(), store.roots.crosses(), tuple(store.deployments.refusals())
    records = _lasting_records(inputs.settings, store)
    evidence = Evidence(
        ladder=tuple(inputs.settings.rungs.values()),
        chains=tuple(store.chains.records()),
        orders={(order.request, order.source): order for order in store.orders.records()},
        signers=signers(roots, crosses, now),
        reissues=store.orders.reissues(),
        forced=store.orders.forced(),
        watches=store.watches.all(),
        failing=tuple(store.failing.all()),
        persistent=proved(records, now),
        pins={pin.key: pin.chain for pin in store.pins.all()},
        dns_zones=dns_zones(inputs.settings.dns_solvers.values()),
        refused=_refused_chains(refusals),
    )
    return State(
        evidence=evidence,
        deployments=store.deployments.all(),
        live_chains=store.deployments.live_chains(),
        refusals=refusals,
        endpoints=tuple(store.endpoints.all()),
        leased=deferred | store.orders.leased(now),
        dns_records=tuple(as_tables_are(left_records(store, now), inputs.settings.dns_solvers)),
        windows=tuple(left_windows(store, now)),
        roots={each.sha256: each.not_after for each in roots},
        own_roots=tuple(roots),
        crosses=tuple(crosses),
        root_key_types=inputs.settings.root.key_types,
        peers=tuple(store.peers.all()),
        names=tuple(store.resolved.all()),
        held_back=store.peers.held_back(),
        revocations=tuple(store.revocations.all()),
        lists=store.revocations.lists(),
        kept_keys=store.kept_keys.all(),
        tlsa=store.tlsa.all(),
        records=records,
        policies=known_policies(store),
        asks_dns=inputs.settings.dane.check,
        restarts=tuple(read_restarts(store).values()),
        doubt=doubt,
    )


def _lasting_records(settings: Settings, store: Store) -> tuple[PersistentLook, ...]:
    """Return the records of dns-persist-01, as far as they were looked at for the present CAs."""
    origins = {name: source.origin for name, source in settings.rungs.items()}
    return tuple(each.at(origins.get(each.source, each.origin)) for each in store.persistent.all().values())


def _refused_chains(refusals: Iterable[Refusal]) -> frozenset[tuple[str, str, str]]:
    """Return module, slot and id of the chains that services did not take."""
    return frozenset((each.module, each.slot, each.subject) for each in refusals if each.kind is RefusedKind.CHAIN)


def _needs(inputs: PassInputs, store: Store, name: str) -> tuple[list[Need], Problem | None]:
    try:
        return inputs.hooks.declare_needs(inputs.enabled.modules[name], inputs.enabled.host), inputs.problems.get(name)
    except AgentError as error:
        return store.modules.needs(name), error.problem


def _unread(module: str, error: Exception) -> AgentError:
    if isinstance(error, AgentError):
        return error
    if isinstance(error, OSError):
        return FileUnreadable(*obstacle(Path(error.filename or module), error))
    return ModuleRaised(module, "the reading of its settings", error)


def _record(last: ModuleRecord | None, entry: ModuleEntry, problem: Problem | None) -> ModuleRecord:
    services = entry.module.services if entry.module else last.services if last else ()
    return ModuleRecord(entry.name, entry.plugin, entry.title, entry.enabled, services, problem)


def with_issuers(inputs: PassInputs, store: Store) -> PassInputs:
    """Return the inputs with the roots and their lists as they are now."""
    found = _issuers(inputs.settings, inputs.hooks, store)
    if found == inputs.enabled.issuers:
        return inputs
    return replace(inputs, enabled=replace(inputs.enabled, issuers=found))


def _issuers(settings: Settings, hooks: Hooks, store: Store) -> tuple[Issuer, ...]:
    """Return the appliance's roots when some module verifies what they have signed."""
    if not any(hooks.is_so(module, "verifies_peers") for module in settings.modules.values()):
        return ()
    lists, crosses = store.revocations.lists(), store.roots.crosses()
    found = [
        Issuer(
            sha256=each.sha256,
            subject=each.subject,
            certificates=each.certificates,
            crl=lists[each.sha256].pem if each.sha256 in lists else "",
            present=each.phase is RootPhase.SIGNING and not each.beside,
            phase=each.phase,
            crosses="".join(cross.certificate for cross in crosses if cross.subject == each.sha256),
        )
        for each in store.roots.all()
    ]
    return tuple(sorted(found, key=lambda each: not each.present))


def _lost_parts(layout: Layout, settings: Settings, store: Store) -> dict[str, tuple[ModulePart, ...]]:
    """Return, by service, the live generations of modules whose plugin can't be loaded: they stay in service."""
    deployments = store.deployments.all()
    found: dict[str, list[ModulePart]] = defaultdict(list)
    for record in store.modules.all():
        entry = settings.entries.get(record.name)
        deployment = deployments.get(record.name)
        if entry is None or entry.module is not None or not entry.enabled or deployment is None:
            continue
        if deployment.generation is not None:
            directory = layout.module(record.name).state / str(deployment.generation)
            for service in record.services:
                found[service].append(ModulePart(module=record.name, plugin=record.plugin, directory=directory))
    return {service: tuple(parts) for service, parts in found.items()}
