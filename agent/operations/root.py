"""Replacement of the root. The next pass signs local chains and peer certificates again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.contract.context import Change
from agent.engine.root_steps import SCOPE, prepared_text, signing_date
from agent.errors.operations import RootAlreadyPresent
from agent.errors.root import NoRootPrepared, RootEndsTooSoon, RootSignsUnusable
from agent.errors.wording import few, quoted
from agent.health.chain_warnings import root_warnings
from agent.model.aim import Aim
from agent.model.events import EventKind
from agent.model.root import RootPhase
from agent.operations.consequences import effects_of_each
from agent.operations.effects import ModuleConsequence, RootEffects
from agent.operations.root_bridge import bridge_obstacle
from agent.operations.trial_leaves import judge_signed, names_not_permitted
from agent.planning.binding import LOCAL
from agent.planning.root_life import hand_over_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from agent.model.need import Need
    from agent.operations.locked_state import LockedState
    from agent.pki.authority import Root
    from agent.pki.judgement import Objection


def root_effects(state: LockedState, successor: Root | str = "", *, at_once: bool = True) -> RootEffects:
    """Return what another root would do when it signs; every module is asked what breaks.

    `successor`: the other one, or its SHA-256 where it is there; empty: the agent makes it. `at_once`: without an overlap.
    """
    at = signing_date_of_next(state, at_once=at_once)
    if at is None:
        return _effects(state, [_change(successor)])
    present = state.store.roots.present()
    obstacle = bridge_obstacle(state, present, successor) if present else ""
    changes = [_change(successor, bridged=not obstacle, still_believed=True), _change(successor)]
    return _effects(state, changes, signs_at=at, obstacle=obstacle)


def prepared_effects(state: LockedState) -> RootEffects:
    """Return what it would do if the prepared root signed now. Raises `NoRootPrepared`."""
    found, present = state.store.roots.prepared(), state.store.roots.present()
    if found is None:
        raise NoRootPrepared
    obstacle = bridge_obstacle(state, present, found.sha256) if present else ""
    changes = [_change(found.sha256, bridged=not obstacle, still_believed=True)]
    return _effects(state, changes, obstacle=obstacle)


def _change(successor: Root | str, *, bridged: bool = False, still_believed: bool = False) -> Change:
    sha256 = successor if isinstance(successor, str) else successor.sha256
    return Change("root", sha256, bridged=bridged, still_believed=still_believed)


def _effects(
    state: LockedState,
    changes: Sequence[Change],
    *,
    signs_at: datetime | None = None,
    obstacle: str = "",
) -> RootEffects:
    """`changes`: what is asked about; then what may be chosen in its place, without an overlap."""
    prepared = state.store.roots.prepared()
    signed = _signed(state)
    local = [each.key for each in state.bindings() if each.chain in signed]
    found, *skipping = effects_of_each(state, changes, local, state.inputs.enabled.modules)
    return RootEffects(
        *(found.consequences, found.unknown, found.uninspected),
        resigned=tuple(f"{module}/{slot}" for module, slot in local),
        peers=tuple(f"{each.module}/{each.label}" for each in state.store.peers.all() if each.current),
        signs_at=signs_at,
        dropped=prepared.subject if prepared and prepared.sha256 != changes[0].subject else "",
        bridged=changes[0].bridged,
        obstacle=obstacle,
        at_once=tuple(consequence for each in skipping for consequence in each.consequences),
    )


def root_aim(state: LockedState) -> Aim:
    """Return what another root is for: that each need with a local chain gets one of it. Call before it is made."""
    signed = _signed(state)
    local = {each.key: each.chain for each in state.bindings() if each.chain in signed}
    return Aim(tuple(local), instead_of=tuple({chain for chain in local.values() if chain}))


def reissue_root(state: LockedState, *, at_once: bool = True) -> Root:
    """Make a new root, which signs at once, or after an overlap; the old one is kept."""
    from agent.engine.own_root import make_root, names_in_use

    settings, host = state.inputs.settings.root, state.inputs.enabled.host
    root = make_root(settings, host, state.now, names_in_use(state.store))
    _take(state, root, "root reissued", at_once=at_once)
    return root


def upload_effects(state: LockedState, root: Root, *, at_once: bool = True) -> RootEffects:
    """Return what an uploaded root would do, and what some clients would refuse. Raises as `upload_root` does."""
    _refuse_present(state, root)
    _refuse_short_lived(state, root, at_once=at_once)
    warnings = tuple(_judged(state, root))
    effects = root_effects(state, root, at_once=at_once)
    return replace(effects, consequences=(*effects.consequences, *warnings))


def upload_root(state: LockedState, root: Root, *, at_once: bool = True) -> None:
    """Put an uploaded root into service, at once or after an overlap; the old one is kept.

    Raises `RootAlreadyPresent`, `RootEndsTooSoon` and `RootSignsUnusable`.
    """
    _refuse_present(state, root)
    _refuse_short_lived(state, root, at_once=at_once)
    _take(state, root, "root replaced", _refuse_unusable(state, root), at_once=at_once, uploaded=True)


def _refuse_present(state: LockedState, root: Root) -> None:
    known = (RootPhase.SIGNING, RootPhase.PREPARED)
    if any(each.sha256 == root.sha256 and each.phase in known for each in state.store.roots.all()):
        raise RootAlreadyPresent(root.sha256)


def _refuse_short_lived(state: LockedState, root: Root, *, at_once: bool) -> None:
    """Refuse a root that has ended, or is about to, when it would begin to sign."""
    at = signing_date_of_next(state, at_once=at_once)
    if at is not None and at > hand_over_instant(root):
        raise RootEndsTooSoon(root.subject, root.not_after, at)


def signing_date_of_next(state: LockedState, *, at_once: bool) -> datetime | None:
    """Return when a root that is made now signs; None: at once, as is wanted or as there is no other one."""
    present = state.store.roots.present()
    if at_once or present is None:
        return None
    return signing_date(state.store, state.inputs.settings, state.now)


def _take(
    state: LockedState,
    root: Root,
    action: str,
    warnings: Iterable[Objection] = (),
    *,
    at_once: bool,
    uploaded: bool = False,
) -> None:
    """Put a root into service or prepare it, with what some clients refuse in it or above it."""
    from agent.pki.certificate import title_of

    at = signing_date_of_next(state, at_once=at_once)
    kind = EventKind.ROOT_PREPARED if at else EventKind.ROOT_CREATED
    text = prepared_text(root.subject, at) if at else f"{root.subject}, until {root.not_after:%Y-%m-%d}"
    event = state.event(kind, text, sha256=root.sha256)
    with state.change(action, root.subject, root.sha256, events=[event]):
        before = state.store.conditions.of(SCOPE) if at else []
        if at:
            state.store.roots.prepare(root, state.now, signs_at=at, uploaded=uploaded)
        else:
            state.store.roots.add(root, state.now, uploaded=uploaded)
        issuers = {title_of(each) for each in (root.certificate, *root.parents)}
        findings = root_warnings(root.sha256, root.subject, [each for each in warnings if each.certificate in issuers])
        state.store.conditions.replace(SCOPE, [*before, *findings], state.now)


def _judged(state: LockedState, root: Root) -> Iterator[ModuleConsequence]:
    """Yield what some clients would refuse of what a root will sign. Raises `RootSignsUnusable`."""
    for objection in _refuse_unusable(state, root):
        yield ModuleConsequence("root", f"{objection.sentence}.", "warning")
    signed_at_once = {(need.module, need.slot) for need in _to_be_signed(state)}
    for need in _signable(state):
        names = names_not_permitted(root, (need.names, (need.purpose,)), state.now)
        if names and (need.module, need.slot) not in signed_at_once:
            yield ModuleConsequence(need.module, _may_not_sign(names), "warning")


def _may_not_sign(names: Sequence[str]) -> str:
    return (
        f"The new root may not sign for {few([quoted(name) for name in names])} (name constraints): "
        "where no other source delivers, clients refuse its chain."
    )


def _refuse_unusable(state: LockedState, root: Root) -> tuple[Objection, ...]:
    """Return what some clients refuse of what a root will sign at once. Raises `RootSignsUnusable`."""
    wanted = [(need.names, (need.purpose,)) for need in _to_be_signed(state)]
    peers = [(each.names, each.purposes) for each in state.store.peers.all() if each.current]
    judgement = judge_signed(root, [*wanted, *peers], state.now)
    if not judgement.good:
        raise RootSignsUnusable(root.subject, list(dict.fromkeys(each.sentence for each in judgement.refused)))
    return judgement.warnings


def _to_be_signed(state: LockedState) -> list[Need]:
    """Return the needs whose chain the root signs in the next pass: those that have a local chain, or none."""
    signed = _signed(state)
    keys = {each.key for each in state.bindings() if each.chain is None or each.chain in signed}
    return [need for need in _signable(state) if (need.module, need.slot) in keys]


def _signable(state: LockedState) -> list[Need]:
    """Return the needs that local chains may serve."""
    return [need for need in state.needs if need.sources is None or LOCAL in need.sources]


def _signed(state: LockedState) -> set[str]:
    """Return the ids of the chains that an own root signed."""
    return {each.id for each in state.chains if each.root is not None}
