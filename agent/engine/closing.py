"""The end of a pass: what the status and the next pass need is stored, and what nothing needs any more is dropped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from agent.contract.source import ChainRecord
from agent.engine import conditions
from agent.engine.account_keys import known_by_another_key
from agent.engine.dns_leftovers import SCOPE as RECORDS
from agent.engine.dns_leftovers import left_records, of_left_records
from agent.engine.due_names import BESIDE_NAMES
from agent.engine.overrides import note_overrides, read_overrides
from agent.engine.pass_inputs import Declarations, PassInputs
from agent.engine.policies import remember_policies
from agent.engine.policy_questions import known_policies
from agent.engine.roots_found import with_known_roots
from agent.engine.source_findings import source_findings, with_unanswered
from agent.engine.tlsa_questions import REMOTE
from agent.engine.window_leftovers import SCOPE as WINDOWS
from agent.engine.window_leftovers import left_windows
from agent.health.challenge_windows import of_windows
from agent.health.dane import of_dane
from agent.health.mta_sts import of_policies
from agent.health.persistent import of_records
from agent.health.room import of_room
from agent.health.rsa_roots import of_rsa_roots, of_unlisted_peers
from agent.model.finding import Finding
from agent.model.persistent import domain_of
from agent.planning import Obtain, Plan
from agent.report.dane import served_chains, subjects
from agent.store import Store
from agent.store.instants import written
from agent.system.disk import shortages

SUPERSEDED = timedelta(days=1)
"""A chain that nothing needs any more is kept so long, so that one can see what just happened."""

LEFT_OVER = timedelta(minutes=1)
"""After a pass that left something to do."""


def close_pass(store: Store, inputs: PassInputs, declared: Declarations, made: Plan, now: datetime) -> None:
    """Store in one go what a pass has found. Plugins and files are asked before: others may have something to write."""
    bound = bound_chains(store, made)
    complete = with_known_roots(store, inputs.enabled.layout, bound)
    noted = _conditions(store, inputs, declared, made, bound, now)
    policies = _policies(inputs)
    pid_files = inputs.enabled.pid_files()
    overrides = read_overrides(inputs.enabled)
    with store.write():
        for chain in complete:
            store.chains.warn(chain.id, chain.warnings)
        store.modules.put(declared.records)
        store.endpoints.keep_modules(record.name for record in declared.records)
        remember_policies(store, policies)
        store.remember("pid files", "\n".join(map(str, pid_files)))
        store.remember("next at", written(made.next_at) or "")
        store.remember(BESIDE_NAMES, _beside_names(made, now))
        store.remember("renewals", _json_of(made.renewals))
        store.remember("deferred", _json_of(made.deferred))
        store.remember("groups", json.dumps({name: each.group for name, each in inputs.settings.rungs.items()}))
        for scope, findings in noted.items():
            store.conditions.replace(scope, findings, now)
        note_overrides(store, overrides, now)
        _drop_unneeded(store, inputs, declared, now)


def _beside_names(made: Plan, now: datetime) -> str:
    """Return when anything but a lookup of names is due: what has been left to do, after a minute; empty: nothing is planned."""
    instants = [at for at in (made.beside_names_at, now + LEFT_OVER if made.actions else None) if at]
    return repr(min(instants).timestamp()) if instants else ""


def bound_chains(store: Store, made: Plan) -> list[ChainRecord]:
    """Return the chains that a plan binds."""
    bound = {binding.chain for binding in made.bindings}
    return [each for each in store.chains.records() if each.id in bound]


def _conditions(
    store: Store, inputs: PassInputs, declared: Declarations, made: Plan, bound: Sequence[ChainRecord], now: datetime
) -> dict[str, list[Finding]]:
    """Return, by scope, what somebody should know beyond the store's rows."""
    needed = {need.request.id for need in declared.needs}
    orders = [each for each in store.orders.records() if each.request in needed and not each.is_given_up(now)]
    ladder = inputs.settings.rungs.values()
    asked = {each.source for each in made.actions if isinstance(each, Obtain)}
    asked |= {source for _request, source in store.orders.leased(now)}
    modules = inputs.settings.modules
    accepted = {name: module.key_types for name, module in modules.items()}
    chains, wanted = {each.id: each for each in bound}, inputs.settings.root.key_types
    failed = {(each.request, each.source): str(each.problem["code"]) for each in orders if each.problem}
    roots, told = store.roots.all(), [each.error for each in inputs.hooks.missing]
    behind = set(known_by_another_key(store, ladder))
    found = source_findings(ladder, orders, bound, inputs.enabled.layout.rooted, behind)
    return {
        "plugins": [
            *conditions.of_plugins(inputs.plugins, told),
            *conditions.of_tables(inputs.settings.failures, told),
        ],
        "policies": [*conditions.of_policies(inputs.hooks.missing)],
        "many needs": [*conditions.of_many_needs(declared.needs)],
        "broken sources": [*conditions.of_sources(made.broken)],
        "sources": [*with_unanswered(ladder, found, store.conditions.of("sources"), asked)],
        "RSA roots": [
            *of_rsa_roots(declared.needs, made.bindings, chains, roots, accepted, wanted),
            *of_unlisted_peers(declared.needs, store.peers.all(), roots),
        ],
        "MTA-STS": [*of_policies(declared.needs, known_policies(store), _served(store, declared))],
        "DANE": [*of_dane(subjects(store, declared.needs, made.renewals), now, store.meta(REMOTE) or "")],
        "records": [*of_records(store.persistent.all().values(), now)],
        RECORDS: [*of_left_records(left_records(store, now), inputs.settings.dns_solvers, failed)],
        WINDOWS: [*of_windows(left_windows(store, now))],
        "room": [*of_room(shortages(str(store.layout.root)))],
    }


def _policies(inputs: PassInputs) -> dict[str, list[str]]:
    """Return the plugins that wrap hooks, and those that can't be used, with what they wrapped when they worked last."""
    found = {plugin: list(hooks) for plugin, hooks in inputs.hooks.policies().items()}
    for each in inputs.hooks.missing:
        found[each.plugin] = [*found.get(each.plugin, ()), *each.hooks]
    return found


def _served(store: Store, declared: Declarations) -> dict[tuple[str, str], ChainRecord]:
    """Return the chain of each module's slot, where there are policies to compare it with."""
    if not any(need.mta_sts for need in declared.needs):
        return {}
    records = {each.id: each for each in store.chains.records()}
    return {key: records[chain] for key, chain in served_chains(store).items() if chain in records}


def _drop_unneeded(store: Store, inputs: PassInputs, declared: Declarations, now: datetime) -> None:
    kept = _ready(store, inputs, declared, now)
    store.chains.drop_superseded(now - SUPERSEDED, kept)  # as long as the orders that it looks at are there
    names = {name for need in declared.needs for name in (*need.names, *need.asked)}
    store.failing.keep(names, inputs.settings.rungs)
    apart = {request.id for each in store.failing.all() for request in each.requests}
    needed = {need.request.id for need in declared.needs}
    store.orders.forget_unneeded(needed | apart, now)
    store.orders.drop_unneeded_wishes(needed | apart)
    store.kept_keys.forget_unneeded(needed | apart, now)
    store.deployments.drop_unused_texts()
    store.watches.forget_gone()
    store.tlsa.keep({owner for need in declared.needs for owner in need.tlsa} if inputs.settings.dane.check else ())
    store.persistent.keep({(source, domain_of(name)) for source in inputs.settings.rungs for name in names})
    store.ledger.trim(now)
    store.journal.trim()


def _ready(store: Store, inputs: PassInputs, declared: Declarations, now: datetime) -> set[str]:
    """Return the newest good chain of each CA for each request that is needed, though another one serves: an upload, say.

    It takes over when that ends. If it were dropped, it would be ordered again and again until then.
    """
    needed = {need.request.id for need in declared.needs}
    asked = {source.name for source in inputs.settings.rungs.values() if not source.immediate}
    good = [
        each for each in store.chains.records() if each.source in asked and each.request in needed and each.good(now)
    ]
    newest = {(each.source, each.request): each.id for each in sorted(good, key=lambda each: each.not_before)}
    return set(newest.values())


def _json_of(instants: Mapping[str, datetime]) -> str:
    return json.dumps({name: written(at) for name, at in instants.items()})
