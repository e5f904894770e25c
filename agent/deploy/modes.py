"""Modes and owners of what was deployed, as they are to be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.staging import GenerationDir, directory_ids, directory_mode, file_ids
from agent.model.deployment import Generation
from agent.system.layout import Layout
from agent.system.modes import Place


def places_of_module(context: DeployContext, module: str) -> Iterator[Place]:
    """Yield every kept generation of a module, and its published copies. Raises `OwnerUnknown`."""
    generation_dir = context.module_dir(module)
    user, group = directory_ids(generation_dir.ownership)
    yield Place(generation_dir.state, 0o711, min(user, 0), min(group, 0))
    live = context.deployment(module)
    for number in context.store.deployments.numbers(generation_dir.owner):
        generation = context.store.deployments.generation(generation_dir.owner, number)
        if generation is not None:
            yield from _places(generation_dir, generation)
            if live is not None and live.generation == number:
                yield from _published(context.enabled.layout, generation)


def _places(generation_dir: GenerationDir, generation: Generation) -> Iterator[Place]:
    directory = generation_dir.directory(generation.number)
    user, group = directory_ids(generation_dir.ownership)
    folders = {parent for file in generation.files for parent in Path(file.path).parents}
    for folder in sorted(folders | {Path()}):
        yield Place(directory / folder, directory_mode(generation_dir.ownership), user, group, secret=True)
    for file in generation.files:
        yield Place(directory / file.path, file.mode, *file_ids(file), secret=file.secret)


def _published(layout: Layout, generation: Generation) -> Iterator[Place]:
    for file in generation.files:
        if file.publish and file.how == "copy":
            yield Place(layout.rooted(file.publish), file.mode, *file_ids(file), secret=file.secret)


def keys_replaced(context: DeployContext, path: Path, since: datetime) -> bool:
    """Whether no key that a file or directory of a module held at `since` is in service any more."""
    layout = context.enabled.layout
    for module in context.store.deployments.all():
        live, state = context.live(module), layout.module(module).state
        published = live is not None and any(
            file.publish and layout.rooted(file.publish) == path for file in live.files
        )
        if live is not None and (published or path.is_relative_to(state)):
            return all(_is_newer(context, chain, since) for chain in _chains_at(live, path, state, layout))
    return layout.modules in path.parents  # the module is gone, and its keys with it


def _chains_at(live: Generation, path: Path, state: Path, layout: Layout) -> set[str | None]:
    """Return the chains whose keys are in service where `path` is, whatever its generation: unchanged files are linked."""
    inside = Path(*path.relative_to(state).parts[1:]) if path.is_relative_to(state) else None
    return {
        file.chain
        for file in live.files
        if file.secret
        and (
            layout.rooted(file.publish or file.path) == path
            if inside is None
            else Path(file.path).is_relative_to(inside)
        )
    }


def _is_newer(context: DeployContext, chain: str | None, since: datetime) -> bool:
    record = context.records.get(chain or "")
    return record is not None and record.created_at is not None and record.created_at > since
