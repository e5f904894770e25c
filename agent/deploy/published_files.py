"""Files at fixed paths that somebody has changed or removed: they are written again as the generation in service has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.renames import ABSENT, PathContent, Rename, is_in_place


def put_back(context: DeployContext, module: str) -> list[str]:
    """Write what isn't in place of a module and of its services' entries; return the paths.

    Raises `DiskFailed`.
    """
    wrong = [(path, content) for path, content in _published(context, module) if not is_in_place(path, content)]
    for path, content in wrong:
        Rename(str(path), content, ABSENT).redo()
    return [str(path) for path, _ in wrong]


def _published(context: DeployContext, module: str) -> Iterator[tuple[Path, PathContent]]:
    for place, generation in context.in_service(module):
        for path, content in place.published(generation).items():
            yield context.enabled.layout.rooted(path), content
