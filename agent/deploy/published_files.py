"""Files at fixed paths that somebody has changed or removed: they are written again as the generation in service has them.

What was there instead is kept beside it, as it may be the administrator's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.failures import disk_failed
from agent.deploy.renames import ABSENT, PathContent, Rename, is_in_place
from agent.system.writing import WITHOUT_LINKS


def put_back(context: DeployContext, module: str) -> list[str]:
    """Write what isn't in place of a module and of its services' entries; return the paths. Raises `DiskFailed`."""
    wrong = [(path, content) for path, content in _published(context, module) if not is_in_place(path, content)]
    for path, content in wrong:
        _keep(path)
        Rename(str(path), content, ABSENT).redo()
    return [str(path) for path, _ in wrong]


def kept_beside(path: Path) -> Path:
    """Return where what was found in place of a published file is kept: services that read a whole directory pass it over."""
    return path.with_name(f".{path.name}.chainwright-found")


def _keep(path: Path) -> None:
    """Keep what is in its place, the newest alone. A directory stays in the way. Raises `DiskFailed`."""
    if not os.path.lexists(path) or (path.is_dir() and not path.is_symlink()):
        return
    beside = kept_beside(path)
    try:
        beside.unlink(missing_ok=True)
        _link(path, beside)
    except OSError as error:
        raise disk_failed(path, error) from error


def _link(path: Path, beside: Path) -> None:
    """Give what is at a path a second name, so that it has the first until another file takes it."""
    try:
        os.link(path, beside, follow_symlinks=False)
    except OSError as error:
        if error.errno not in WITHOUT_LINKS:
            raise
        path.rename(beside)


def _published(context: DeployContext, module: str) -> Iterator[tuple[Path, PathContent]]:
    for place, generation in context.in_service(module):
        for path, content in place.published(generation).items():
            yield context.enabled.layout.rooted(path), content
