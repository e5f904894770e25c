"""Files of generations in service that are gone or were changed: the same bytes are put back, which needs no test.

For a boot, which has to be done with a thousand modules in seconds. The caller flushes the file system once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.staging import (
    GenerationDir,
    Materials,
    checksum_of,
    content_of,
    directory_ids,
    directory_mode,
    file_ids,
    folders_of,
)
from agent.errors import AgentError
from agent.model.deployment import Generation, ManifestFile
from agent.system.writing import make_directory, write_new


def mend_module(context: DeployContext, module: str) -> list[Path]:
    """Put back what can be of a module and of its services' entries; return the paths. What can't be is deployed again."""
    found: list[Path] = []
    for place, generation in context.in_service(module):
        with contextlib.suppress(AgentError, OSError):
            found += _mend(context, place, generation)
    return found


def _mend(context: DeployContext, place: GenerationDir, generation: Generation) -> Iterator[Path]:
    directory = place.directory(generation.number)
    wrong = [
        file for file in generation.files if checksum_of(directory / file.path) != generation.checksums.get(file.path)
    ]
    if wrong:
        _make_directories(place, directory, wrong)
        texts = context.store.deployments.texts(file.text for file in wrong if file.text)
        for file in wrong:
            data = content_of(file, str(directory), generation.number, Materials(texts, context.chain))
            if hashlib.sha256(data).hexdigest() == generation.checksums.get(file.path):
                yield _write(directory / file.path, data, file)
    live = place.state / "live"
    if not live.is_symlink() or str(live.readlink()) != directory.name:
        beside = _beside(live)
        beside.symlink_to(directory.name)
        beside.rename(live)
        yield live


def _make_directories(place: GenerationDir, directory: Path, files: list[ManifestFile]) -> None:
    user, group = directory_ids(place.ownership)
    if not place.state.is_dir():
        make_directory(place.state, mode=0o711, owner=min(user, 0), group=min(group, 0))
    for path in (directory, *(directory / each for each in folders_of(files))):
        make_directory(path, mode=directory_mode(place.ownership), owner=user, group=group)


def _write(path: Path, data: bytes, file: ManifestFile) -> Path:
    user, group = file_ids(file)
    beside = _beside(path)
    write_new(beside, data, mode=file.mode, owner=user, group=group, flush=False)
    beside.rename(path)
    return path


def _beside(path: Path) -> Path:
    """Return where a file is written before it is renamed; what an earlier try has left there goes."""
    beside = path.with_name(f".{path.name}.new")
    if os.path.lexists(beside):
        beside.unlink()
    return beside
