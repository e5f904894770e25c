"""Replacement of the root. The next pass signs local chains and peer certificates again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.contract.context import Change
from agent.engine.root_steps import SCOPE, noted_of_published, prepared_text, signing_date
from agent.errors.operations import RootAlreadyPresent
from agent.errors.root import RootEndsTooSoon, RootSignsUnusable, RootUnknown
from agent.errors.wording import few, quoted
from agent.health.chain_warnings import root_warnings
from agent.model.aim import Aim
from agent.model.events import EventKind
from agent.model.root import PUBLISHED, root_named
from agent.operations.consequences import effects_of_each
from agent.operations.effects import ModuleConsequence, RootEffects
from agent.operations.root_bridge import bridge_obstacle
from agent.operations.root_steps import prepared_root
from agent.operations.trial_leaves import judge_signed, names_not_permitted
from agent.pki.key import KeyKind
from agent.planning.binding import LOCAL
from agent.planning.root_life import hand_over_instant, wanted_beside, wanted_key_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from agent.model.need import Need
    from agent.model.peer import Peer
    from agent.operations.locked_state import LockedState
    from agent.pki.authority import Root
    from agent.pki.judgement import Objection


def is_beside(state: LockedState, of: str) -> bool:
    """Whether a root that signs or is prepared, by the beginning of its SHA-256, is one beside the main one. Empty: it isn't.

    Raises `RootUnknown` and `RootAmbiguous`.
    """
    if not of:
        return False
    found = root_named([each for each in state.store.roots.all() if each.phase in PUBLISHED], of)
    if found is None:
        raise RootUnknown(of)
    return found.beside


def root_effects(
    state: LockedState, successor: Root | str = "", *, at_once: bool = True, beside: bool = False
) -> RootEffects:
    """Return what another root would do when it signs; every module is asked what breaks.

    `successor`: the other one, or its SHA-256 where it is there; empty: the agent makes it. `at_once`: without an overlap.
    `beside`: the main one, for keys of its own kind alone.
    """
    at = signing_date_of_next(state, at_once=at_once, beside=beside)
    if at is None:
        return _effects(state, [_change(successor)], beside=beside)
    present = state.store.roots.present(beside=beside) or state.store.roots.present()
    obstacle = bridge_obstacle(state, present, successor) if present else ""
    changes = [_change(successor, bridged=not obstacle, still_believed=True), _change(successor)]
    return _effects(state, changes, signs_at=at, obstacle=obstacle, beside=beside)


def prepared_effects(state: LockedState, of: str = "") -> RootEffects:
    """Return what it would do if the prepared root signed now. Raises `NoRootPrepared`."""
    found = prepared_root(state, of)
    present = state.store.roots.present(beside=found.beside) or state.store.roots.present()
    obstacle = bridge_obstacle(state, present, found.sha256) if present else ""
    changes = [_change(found.sha256, bridged=not obstacle, still_believed=True)]
    return _effects(state, changes, obstacle=obstacle, beside=found.beside)


def _change(successor: Root | str, *, bridged: bool = False, still_believed: bool = False) -> Change:
    sha256 = successor if isinstance(successor, str) else successor.sha256
    return Change(kind="root", subject=sha256, bridged=bridged, still_believed=still_believed)


def _effects(
    state: LockedState,
    changes: Sequence[Change],
    *,
    beside: bool,
    signs_at: datetime | None = None,
    obstacle: str = "",
) -> RootEffects:
    """`changes`: what is asked about; then what may be chosen in its place, without an overlap."""
    prepared = state.store.roots.prepared(beside=beside)
    signed = _signed(state, beside=beside)
    local = [each.key for each in state.bindings() if each.chain in signed]
    found, *skipping = effects_of_each(state, changes, local, state.inputs.enabled.modules)
    return RootEffects(
        *(found.consequences, found.unknown, found.uninspected),
        resigned=tuple(f"{module}/{slot}" for module, slot in local),
        peers=tuple(f"{each.module}/{each.label}" for each in _peers(state, beside=beside)),
        signs_at=signs_at,
        dropped=prepared.subject if prepared and prepared.sha256 != changes[0].subject else "",
        bridged=changes[0].bridged,
        obstacle=obstacle,
        at_once=tuple(consequence for each in skipping for consequence in each.consequences),
    )


def root_aim(state: LockedState, *, beside: bool = False) -> Aim:
    """Return what another root is for: that each need with a local chain gets one of it. Call before it is made."""
    signed = _signed(state, beside=beside)
    local = {each.key: each.chain for each in state.bindings() if each.chain in signed}
    return Aim(tuple(local), instead_of=tuple({chain for chain in local.values() if chain}))


def reissue_root(state: LockedState, *, at_once: bool = True, beside: bool = False) -> Root:
    """Make a new root, which signs at once, or after an overlap; the old one is kept.

    `beside`: in place of the one beside the main one.
    """
    from agent.engine.own_root import make_root, names_in_use

    settings, host = state.inputs.settings.root, state.inputs.enabled.host
    before = state.store.roots.present(beside=beside) or state.store.roots.prepared(beside=beside)
    key_type = wanted_key_type(before, settings.key_types)
    root = make_root(settings, host, state.now, names_in_use(state.store), key_type, beside=beside)
    _take(state, root, "root reissued", at_once=at_once, beside=beside)
    return root


def uploads_beside(state: LockedState, root: Root) -> bool:
    """Whether an uploaded root signs beside the main one: the settings want two, and it is of the other kind."""
    wanted = wanted_beside(state.store.roots.present(), state.inputs.settings.root.key_types)
    return wanted is not None and wanted.kind is root.key_type.kind


def upload_effects(state: LockedState, root: Root, *, at_once: bool = True) -> RootEffects:
    """Return what an uploaded root would do, and what some clients would refuse. Raises as `upload_root` does."""
    _refuse_present(state, root)
    _refuse_short_lived(state, root, at_once=at_once)
    warnings = tuple(_judged(state, root))
    effects = root_effects(state, root, at_once=at_once, beside=uploads_beside(state, root))
    return replace(effects, consequences=(*effects.consequences, *warnings))


def upload_root(state: LockedState, root: Root, *, at_once: bool = True) -> None:
    """Put an uploaded root into service, at once or after an overlap; the old one is kept.

    Raises `RootAlreadyPresent`, `RootEndsTooSoon` and `RootSignsUnusable`.
    """
    _refuse_present(state, root)
    _refuse_short_lived(state, root, at_once=at_once)
    refused, beside = _refuse_unusable(state, root), uploads_beside(state, root)
    _take(state, root, "root replaced", refused, at_once=at_once, uploaded=True, beside=beside)


def _refuse_present(state: LockedState, root: Root) -> None:
    if any(each.sha256 == root.sha256 and each.phase in PUBLISHED for each in state.store.roots.all()):
        raise RootAlreadyPresent(root.sha256)


def _refuse_short_lived(state: LockedState, root: Root, *, at_once: bool) -> None:
    """Refuse a root that has ended, or is about to, when it would begin to sign."""
    at = signing_date_of_next(state, at_once=at_once, beside=uploads_beside(state, root))
    if at is not None and at > hand_over_instant(root):
        raise RootEndsTooSoon(root.subject, root.not_after, at)


def signing_date_of_next(state: LockedState, *, at_once: bool, beside: bool = False) -> datetime | None:
    """Return when a root that is made now signs; None: at once, as is wanted or as there is no other one."""
    present = state.store.roots.present()
    if at_once or present is None:
        return None
    return signing_date(state.store, state.inputs.settings, state.now, beside=beside)


def _take(
    state: LockedState,
    root: Root,
    action: str,
    warnings: Iterable[Objection] = (),
    *,
    at_once: bool,
    uploaded: bool = False,
    beside: bool = False,
) -> None:
    """Put a root into service or prepare it, with what some clients refuse in it or above it."""
    from agent.pki.certificate import title_of

    at = signing_date_of_next(state, at_once=at_once, beside=beside)
    kind = EventKind.ROOT_PREPARED if at else EventKind.ROOT_CREATED
    text = prepared_text(root.subject, at) if at else f"{root.subject}, until {root.not_after:%Y-%m-%d}"
    event = state.event(kind, text, sha256=root.sha256)
    with state.change(action, root.subject, root.sha256, events=[event]):
        if at:
            state.store.roots.prepare(root, state.now, signs_at=at, uploaded=uploaded, beside=beside)
        else:
            state.store.roots.add(root, state.now, uploaded=uploaded, beside=beside)
        before = noted_of_published(state.store)
        issuers = {title_of(each) for each in (root.certificate, *root.parents)}
        findings = root_warnings(root.sha256, root.subject, [each for each in warnings if each.certificate in issuers])
        state.store.conditions.replace(SCOPE, [*before, *findings], state.now)


def _judged(state: LockedState, root: Root) -> Iterator[ModuleConsequence]:
    """Yield what some clients would refuse of what a root will sign. Raises `RootSignsUnusable`."""
    for objection in _refuse_unusable(state, root):
        yield ModuleConsequence("root", f"{objection.sentence}.", "warning")
    signed_at_once = {(need.module, need.slot) for need in _to_be_signed(state, beside=uploads_beside(state, root))}
    for need in _signable(state, beside=uploads_beside(state, root)):
        names = names_not_permitted(root, (need.asked, (need.purpose,)), state.now)
        if names and (need.module, need.slot) not in signed_at_once:
            yield ModuleConsequence(need.module, _may_not_sign(names), "warning")


def _may_not_sign(names: Sequence[str]) -> str:
    return (
        f"The new root may not sign for {few([quoted(name) for name in names])} (name constraints): "
        "where no other source delivers, clients refuse its chain."
    )


def _refuse_unusable(state: LockedState, root: Root) -> tuple[Objection, ...]:
    """Return what some clients refuse of what a root will sign at once. Raises `RootSignsUnusable`."""
    wanted = [(need.asked, (need.purpose,)) for need in _to_be_signed(state, beside=uploads_beside(state, root))]
    peers = [(each.names, each.purposes) for each in _peers(state, beside=uploads_beside(state, root))]
    judgement = judge_signed(root, [*wanted, *peers], state.now)
    if not judgement.good:
        raise RootSignsUnusable(root.subject, list(dict.fromkeys(each.sentence for each in judgement.refused)))
    return judgement.warnings


def _to_be_signed(state: LockedState, *, beside: bool) -> list[Need]:
    """Return the needs whose chain the root signs in the next pass: those that have a local chain, or none."""
    signed = _signed(state, beside=beside)
    keys = {each.key for each in state.bindings() if each.chain is None or each.chain in signed}
    return [need for need in _signable(state, beside=beside) if (need.module, need.slot) in keys]


def _signable(state: LockedState, *, beside: bool) -> list[Need]:
    """Return the needs that local chains of a root may serve."""
    kinds = _kinds(state, beside=beside)
    allowed = [need for need in state.needs if need.sources is None or LOCAL in need.sources]
    return [need for need in allowed if need.request.key_type.kind in kinds]


def _signed(state: LockedState, *, beside: bool) -> set[str]:
    """Return the ids of the chains that a root would sign again: those of own roots, as far as their keys are its matter."""
    kinds = _kinds(state, beside=beside)
    return {each.id for each in state.chains if each.root is not None and each.key_type.kind in kinds}


def _peers(state: LockedState, *, beside: bool) -> list[Peer]:
    kinds = _kinds(state, beside=beside)
    return [each for each in state.store.peers.all() if each.current and each.key_type.kind in kinds]


def _kinds(state: LockedState, *, beside: bool) -> set[KeyKind]:
    """Return the kinds of keys that the main root signs for, or one beside it."""
    main, other = state.store.roots.present(), state.store.roots.present(beside=True)
    apart = main if beside else other
    return set(KeyKind) - ({apart.key_type.kind} if apart else set())
