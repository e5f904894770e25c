"""Keys that others could read for a while: whether they are still in service."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.model.deployment import Generation


def keys_replaced(context: DeployContext, path: Path, since: datetime) -> bool:
    """Whether no key that a file or directory of a module or service held at `since` is in service any more.

    What was made of several keys is over with the last of them. False for what is of no module: the state itself.
    """
    found = [_chains_in(context, module, path) for module in context.store.deployments.all()]
    chains = [each for each in found if each is not None]
    is_gone = context.enabled.layout.modules in path.parents  # with the module and its keys
    newer = all(_is_newer(context, chain, since) for each in chains for chain in each)
    return newer if chains else is_gone


def _chains_in(context: DeployContext, module: str, path: Path) -> set[str | None] | None:
    """Return the chains whose keys are in service where `path` is, in whichever generation. None: it isn't this module's."""
    layout, live = context.enabled.layout, context.live(module)
    if live is None:
        return None
    state = layout.module(module).state
    if path.is_relative_to(state):
        return _chains_below(live, Path(*path.relative_to(state).parts[1:]))
    published = {file.chain for file in live.files if file.publish and layout.rooted(file.publish) == path}
    known = context.enabled.modules.get(module)
    shared = any(layout.service(name).state in path.parents for name in (known.services if known else ()))
    return _chains_below(live, Path()) if shared else published or None


def _chains_below(live: Generation, path: Path) -> set[str | None]:
    """Return the chains of the keys in a file or directory of a generation; of all, where it is made of them."""
    secret = [file for file in live.files if file.secret]
    return {file.chain for file in secret if Path(file.path).is_relative_to(path)} or {file.chain for file in secret}


def _is_newer(context: DeployContext, chain: str | None, since: datetime) -> bool:
    record = context.records.get(chain or "")
    return record is not None and record.created_at is not None and record.created_at > since
