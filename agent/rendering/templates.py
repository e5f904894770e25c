"""Search path and rendering of the templates of modules and services."""

from __future__ import annotations

import hashlib
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agent.errors.deploy import TemplateMissing, TemplateRefused
from agent.rendering.template_places import built_in_directory
from agent.system.trust import TOP

if TYPE_CHECKING:
    from agent.rendering.sandbox import BoundedSandbox

UNSAFE = re.compile(r"[\x00-\x1f\x7f\"'`\\;{}$#]")
"""Characters by which a value could become a directive in some service's configuration language."""
SUFFIX = ".j2"
FOR_MODULES = "modules"
"""Below a service's templates: those that its modules use where they have none of their own."""
EXTENDED = "default"
"""``{% extends "default:site.conf.j2" %}`` in an operator's template names the one that it overrides."""


def search_path(
    operator: Path, name: str, declaration: type, services: Mapping[str, type] = MappingProxyType({})
) -> list[Path]:
    """Return where templates of `name` are looked for: the operator's directory, the plugin's own, the built-in one.

    What its `services` have for their modules, in ``modules/``, comes after each of these: the operator's after the operator's
    own, so that the first ``1 + len(services)`` are the operator's.
    """
    mine = _places(operator, name, declaration)
    theirs = [[place / FOR_MODULES for place in _places(operator, each, kind)] for each, kind in services.items()]
    overriding = [places[0] for places in (mine, *theirs)]
    return [*overriding, *(place for places in (mine, *theirs) for place in places[1:])]


def _places(operator: Path, name: str, declaration: type) -> list[Path]:
    file = getattr(sys.modules.get(declaration.__module__), "__file__", None)
    own = [Path(file).parent / "templates"] if file else []
    return [operator / name, *own, built_in_directory() / name]


def digest_of(paths: Sequence[Path], root: Path = TOP) -> str:
    """Return a SHA-256 over every template below `paths`, by content; of one that isn't trusted, over the reason."""
    from agent.rendering.template_files import source_of

    digest = hashlib.sha256()
    for directory in paths:
        for file in sorted(directory.glob(f"**/*{SUFFIX}")):
            try:
                content = source_of(directory, str(file.relative_to(directory)), root)
            except FileNotFoundError:  # editors leave dead links
                continue
            except OSError as error:
                content = str(error.strerror).encode()
            digest.update(f"{file}\0".encode() + content)
    return digest.hexdigest()


class Templates:
    """Templates of one module or service, as they are on disk now. The first `overriding` of `paths` are the operator's."""

    def __init__(self, paths: Sequence[Path], where: str, overriding: int = 1, root: Path = TOP) -> None:
        """`root`: of the appliance."""
        self._environment = _environment(paths, overriding, root)
        self._where = where

    def render(self, source: str, values: Mapping[str, Any]) -> str:
        """Return the text of template `source`. Raises `TemplateRefused` with file, line and reason, `TemplateMissing`."""
        import jinja2

        self._environment.begin()
        try:
            return str(self._environment.get_template(source).render(values))
        except TemplateRefused:
            raise
        except jinja2.TemplateNotFound as error:
            if place := _line_of(error):
                raise TemplateRefused(place, f"there is no template {error.name}") from error
            raise TemplateMissing(self._where, str(error.name)) from error
        except jinja2.TemplateSyntaxError as error:
            place = f"{error.filename or error.name}, line {error.lineno}"
            raise TemplateRefused(place, str(error.message).rstrip(".")) from error
        except RecursionError as error:
            reason = f'it extends or includes itself; "{EXTENDED}:{source}" is the one that it overrides'
            raise TemplateRefused(f"{self._where}, {source}", reason) from error
        except Exception as error:  # an expression of a template can raise anything
            place = _line_of(error) or f"{self._where}, {source}"
            raise TemplateRefused(place, str(error).rstrip(".") or type(error).__name__) from error


def _line_of(error: Exception) -> str:
    """Return file and line of the template in which an expression failed."""
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(SUFFIX)]
    return f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else ""


def _environment(paths: Sequence[Path], overriding: int, root: Path) -> BoundedSandbox:
    import jinja2

    from agent.rendering.sandbox import BoundedSandbox
    from agent.rendering.template_loader import TrustedLoader

    overridden = TrustedLoader(paths[overriding:], root)
    return BoundedSandbox(
        loader=jinja2.ChoiceLoader(
            [TrustedLoader(paths, root), jinja2.PrefixLoader({EXTENDED: overridden}, delimiter=":")]
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,  # they are those of one pass; a thousand sites need not ask a thousand times
        autoescape=False,
        finalize=_guarded,
    )


def _guarded(value: Any) -> Any:
    """Let only values through that can't add a directive.

    Text that was joined, filtered or marked as safe is a value again, also where its parts were checked.
    """
    import jinja2

    from agent.rendering.sandbox import is_printed

    if is_printed(value) or isinstance(value, jinja2.Undefined):
        return value
    text = "" if value is None else str(value)
    found = UNSAFE.search(text)
    if found:
        raise ValueError(f"the value {text[:60]!r} contains {found[0]!r}, which must not be printed in a configuration")
    return text
