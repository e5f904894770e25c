"""Pages from templates: the operator's own come before the built-in ones, and are seen at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup
from starlette.responses import HTMLResponse

from plugins.webui.catalogue import Texts
from plugins.webui.errors import TemplateBroken

if TYPE_CHECKING:
    import jinja2

UNITS = ((31_536_000, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)Z")


class Pages:
    """Renders templates of the module's template directories."""

    def __init__(self, directories: Sequence[Path], statics: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        """`clock`: by which what is shown is so and so long ago."""
        self._clock = clock
        self._directories = directories
        self._statics = statics
        self._environment: jinja2.Environment | None = None
        self._seen: tuple[int, ...] = ()

    def answer(self, texts: Texts, name: str, status: int = 200, /, **values: object) -> HTMLResponse:
        """Return a page. Raises `TemplateBroken`."""
        return HTMLResponse(self.render(texts, name, **values), status)

    def render(self, texts: Texts, name: str, /, **values: object) -> str:
        """Return a page or a part of one. Raises `TemplateBroken`."""
        import jinja2

        values |= {"t": texts, "static": self._statics, "now": self._clock()}
        try:
            return self._present().get_template(name).render(values)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateBroken(error.filename or name, f"line {error.lineno}: {_bare(error.message)}") from error
        except jinja2.TemplateNotFound as error:
            raise TemplateBroken(str(error.name), "it is in none of the template directories") from error
        except Exception as error:  # an operator's template can raise anything
            raise TemplateBroken(name, _bare(str(error) or type(error).__name__)) from error

    def _present(self) -> jinja2.Environment:
        """Return the environment: a new one when a template came or went, for an override must count at once."""
        seen = tuple(_changed(directory) for directory in self._directories)
        if self._environment is None or seen != self._seen:
            self._seen = seen
            self._environment = _environment(self._directories)
        return self._environment


def _changed(directory: Path) -> int:
    try:
        return directory.stat().st_mtime_ns
    except OSError:
        return 0


def _environment(directories: Sequence[Path]) -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directories),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: Mapping[str, Callable[..., object]] = {
        "instant": instant,
        "day": day,
        "when": when,
        "stamp": stamp,
        "colons": colons,
        "breakable": breakable,
        "readable": readable,
    }
    environment.filters.update(filters)
    return environment


def _bare(sentence: str | None) -> str:
    return (sentence or "").rstrip(".")


def instant(text: str) -> datetime:
    """Return what RFC 3339 says."""
    return datetime.fromisoformat(text).astimezone(UTC)


def day(text: str) -> str:
    """Return the date of an instant in RFC 3339."""
    return f"{instant(text):%Y-%m-%d}"


def stamp(text: str) -> str:
    """Return an instant in RFC 3339 as people read it, UTC."""
    return f"{instant(text):%Y-%m-%d %H:%M:%S} UTC"


def readable(sentence: str) -> str:
    """Return a sentence with its instants in RFC 3339 as people read them, UTC."""
    return INSTANT.sub(r"\1 \2 UTC", sentence)


def when(text: str, now: datetime, texts: Texts) -> str:
    """Return an instant in RFC 3339 as seen from `now`: in its largest unit that is used at least twice."""
    length = instant(text) - now
    if abs(length) < timedelta(seconds=1):
        return texts("time.now")
    seconds = round(abs(length).total_seconds())
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= 2 * size), UNITS[-1])
    span = texts(f"time.{unit}", n=round(seconds / size))
    return texts("time.in" if length > timedelta() else "time.ago", span=span)


def breakable(name: str) -> Markup:
    """Return a name that a narrow column may break after its dots, and nowhere else."""
    return Markup(".<wbr>").join(name.split("."))


def colons(text: str) -> str:
    """Return hexadecimal digits in pairs, as browsers and OpenSSL show fingerprints."""
    digits = text.upper() if len(text) % 2 == 0 else f"0{text.upper()}"
    return ":".join(digits[each : each + 2] for each in range(0, len(digits), 2))
