"""Replacement of the root. The next pass signs local chains and peer certificates again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors.operations import RootAlreadyPresent
from agent.model.events import EventKind
from agent.operations.consequences import module_effects
from agent.operations.effects import RootEffects

if TYPE_CHECKING:
    from agent.operations.locked_state import LockedState
    from agent.pki.authority import Root


def root_effects(state: LockedState, sha256: str = "") -> RootEffects:
    """Return what another root would do; every module is asked what breaks. `sha256`: of the other one, if it is there."""
    signed = {each.id for each in state.chains if each.root is not None}
    local = [each.key for each in state.bindings() if each.chain in signed]
    found = module_effects(state, "root", sha256, local, state.inputs.enabled.modules)
    return RootEffects(
        *(found.consequences, found.unknown, found.uninspected),
        resigned=tuple(f"{module}/{slot}" for module, slot in local),
        peers=tuple(f"{each.module}/{each.label}" for each in state.store.peers.all() if each.current),
    )


def reissue_root(state: LockedState) -> Root:
    """Make a new root; the old one is kept."""
    from agent.engine.own_root import make_root

    root = make_root(state.inputs.settings.root, state.inputs.enabled.host, state.now)
    _take(state, root, "root reissued")
    return root


def upload_root(state: LockedState, root: Root) -> None:
    """Put an uploaded root into service; the old one is kept. Raises `RootAlreadyPresent`."""
    present = state.store.roots.present()
    if present is not None and present.sha256 == root.sha256:
        raise RootAlreadyPresent(root.sha256)
    _take(state, root, "root replaced")


def _take(state: LockedState, root: Root, action: str) -> None:
    text = f"{root.subject}, until {root.not_after:%Y-%m-%d}"
    event = state.event(EventKind.ROOT_CREATED, text, sha256=root.sha256)
    with state.change(action, root.subject, root.sha256, events=[event]):
        state.store.roots.add(root, state.now)
