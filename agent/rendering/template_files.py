"""Files of templates: which are the operator's, and what is believed of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.errors.deploy import TemplateRefused
from agent.rendering.template_places import built_in_directory
from agent.system.paths import ETC
from agent.system.trust import read, read_regular


def source_of(directory: Path, name: str, root: Path) -> bytes:
    """Read a template. Raises OSError, `Untrusted` where somebody else can have written it.

    What comes with the agent is trusted as its code is. `root`: of the appliance, for what is in ``/etc/chainwright``; of a
    package of somebody else, its own directory is looked at.
    """
    path = directory / name
    if path.is_relative_to(root / ETC):
        return read(path, root=root).data
    if path.is_relative_to(built_in_directory().parent):
        return read_regular(path)
    return read(path, root=directory).data


def read_template(directories: Sequence[Path], name: str, root: Path) -> tuple[str, Path] | None:
    """Return text and file of the first template of a name in several directories; None: none has it.

    Raises `TemplateRefused` for one that is there and can't be read, or isn't trusted.
    """
    for directory in directories:
        path = directory / name
        try:
            return source_of(directory, name, root).decode(), path
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise TemplateRefused(str(path), str(error.strerror)) from error
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise TemplateRefused(f"{path}, line {line}", "it is not UTF-8 text") from error
    return None
