"""Modes and owners of what was deployed, as they are to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.staging import GenerationDir, directory_ids, directory_mode, file_ids
from agent.model.deployment import Generation
from agent.system.layout import Layout
from agent.system.modes import Place
from agent.system.trust import check_directory


def places_of_module(context: DeployContext, module: str) -> Iterator[Place]:
    """Yield every kept generation of a module, and its published copies. Raises `OwnerUnknown`."""
    live = context.deployment(module)
    yield from _places_of(context, context.module_dir(module), live.generation if live else None)


def places_of_service(context: DeployContext, service: str) -> Iterator[Place]:
    """Yield every kept entry of a shared service, and its published copies. Raises `OwnerUnknown`."""
    yield from _places_of(context, context.service_dir(service), context.store.deployments.entry(service))


def _places_of(context: DeployContext, generation_dir: GenerationDir, live: int | None) -> Iterator[Place]:
    user, group = directory_ids(generation_dir.ownership)
    yield Place(generation_dir.state, 0o711, min(user, 0), min(group, 0))
    for number in context.store.deployments.numbers(generation_dir.owner):
        generation = context.store.deployments.generation(generation_dir.owner, number)
        if generation is not None:
            yield from _places(generation_dir, generation)
            if live == number:
                yield from _published(context.enabled.layout, generation)


def _places(generation_dir: GenerationDir, generation: Generation) -> Iterator[Place]:
    directory = generation_dir.directory(generation.number)
    if not directory.is_dir():
        return
    user, group = directory_ids(generation_dir.ownership)
    folders = {parent for file in generation.files for parent in Path(file.path).parents}
    for folder in sorted(folders | {Path()}):
        yield Place(directory / folder, directory_mode(generation_dir.ownership), user, group, secret=True)
    for file in generation.files:
        yield Place(directory / file.path, file.mode, *file_ids(file), secret=file.secret)
    for path, (mode, owner, owners) in generation.made.items():
        yield Place(directory / path, mode, owner, owners, secret=True)  # it may be made of keys


def _published(layout: Layout, generation: Generation) -> Iterator[Place]:
    for file in generation.files:
        path = layout.rooted(file.publish) if file.publish and file.how == "copy" else None
        if path is not None and path.is_file() and _is_ours_alone(path.parent, layout.root):
            yield Place(path, file.mode, *file_ids(file), secret=file.secret)


def _is_ours_alone(directory: Path, root: Path) -> bool:
    """Whether nobody else can put another file there, whose mode and owner would be changed."""
    try:
        check_directory(directory, root=root)
    except OSError:
        return False
    return True
