"""Placeholders in what plugins declare: ``{dir}``, ``{live}``, ``{run}``, ``{generation}``, in files ``{slot}``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from agent.contract.endpoint import Endpoint
from agent.contract.file import File, Template
from agent.system.command import Command, Signal
from agent.system.places import Places

F = TypeVar("F", bound=File)
SLOT = "slot"
IN_COMMANDS = ("dir", "live", "run", "generation")
IN_FILES = (*IN_COMMANDS, SLOT)
IN_PUBLISHED = ("run", SLOT)
MARK = re.compile(r"\{([A-Za-z_]+)\}")


class Filling(Protocol):
    """What a context says of places: that of a module or of a service."""

    @property
    def directory(self) -> Path:
        """The generation's own, or the entry's."""

    @property
    def places(self) -> Places:
        """Where it is among the agent's directories."""

    @property
    def generation(self) -> str:
        """Its number."""


def fill(text: str, context: Filling) -> str:
    """Return a text with places and the generation's number instead of placeholders."""
    if "{" not in text:
        return text
    found = {
        "{dir}": context.directory,
        "{live}": context.places.live,
        "{run}": context.places.run,
        "{generation}": context.generation,
    }
    for mark, value in found.items():
        text = text.replace(mark, str(value))
    return text


def filled(answer: object, context: Filling) -> object:
    """Return an answer of a module or service with its commands, pid files and sockets filled in."""
    match answer:
        case list():
            return [filled(each, context) for each in answer]
        case Path():
            return filled_path(answer, context)
        case Signal():
            return replace(answer, pid_file=filled_path(answer.pid_file, context))
        case Command() if any("{" in argument for argument in answer.argv):
            return replace(answer, argv=tuple(fill(argument, context) for argument in answer.argv))
        case Endpoint():
            return _filled_endpoint(answer, context)
    return answer


def filled_path(path: Path, context: Filling) -> Path:
    """Return a path with places instead of placeholders."""
    return Path(fill(str(path), context))


def _filled_endpoint(endpoint: Endpoint, context: Filling) -> Endpoint:
    path, socket = endpoint.path, endpoint.generation_socket
    if not any("{" in str(each) for each in (path, socket)):
        return endpoint
    return replace(
        endpoint,
        path=filled_path(path, context) if path else None,
        generation_socket=filled_path(socket, context) if socket else None,
    )


def texts_in(answer: object) -> list[str]:
    """Return what of an answer may hold placeholders."""
    match answer:
        case list():
            return [text for each in answer for text in texts_in(each)]
        case Path():
            return [str(answer)]
        case Signal():
            return [str(answer.pid_file)]
        case Command():
            return list(answer.argv)
        case Endpoint():
            return [str(each) for each in (answer.path, answer.generation_socket) if each]
    return []


def filled_file(file: F, context: Filling) -> F:
    """Return a file with the path to which it is published and the texts among its values filled in."""
    if not any("{" in text for text in texts_of(file)):
        return file
    publish = filled_path(file.publish, context) if file.publish else None
    if isinstance(file, Template):
        return replace(
            file, publish=publish, values={name: _value(each, context) for name, each in file.values.items()}
        )
    return replace(file, publish=publish)


def _value(value: object, context: Filling) -> object:
    return fill(value, context) if isinstance(value, str) else value


def for_slot(file: F, slot: str) -> F:
    """Return the file of one slot: ``{slot}`` is its name."""
    publish = Path(str(file.publish).replace("{slot}", slot)) if file.publish else None
    made = replace(file, path=file.path.replace("{slot}", slot), publish=publish, slot=slot)
    if not isinstance(made, Template):
        return made
    values = {
        name: each.replace("{slot}", slot) if isinstance(each, str) else each for name, each in made.values.items()
    }
    return replace(made, values=values)


def misspelt(texts: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Yield why a text would not be filled in: what looks like a placeholder and is none, or is none in this place."""
    for text in texts:
        for word in MARK.findall(text):
            if word not in known and (meant := next((each for each in IN_FILES if _resembles(word, each)), None)):
                yield _reason(word, meant, known)


def _reason(word: str, meant: str, known: Iterable[str]) -> str:
    if meant not in known:
        return f'"{{{word}}}" is not filled in there'
    return f'there is no placeholder "{{{word}}}"; did you mean "{{{meant}}}"?'


def _resembles(word: str, mark: str) -> bool:
    """Whether a word is a mark with a letter more or less, two letters in the other order, capitals or more words."""
    lower = word.lower()
    return (
        lower.startswith(mark)
        or _is_without_one(lower, mark)
        or _is_without_one(mark, lower)
        or sorted(lower) == sorted(mark)
    )


def _is_without_one(longer: str, shorter: str) -> bool:
    """Whether a word is another one without one letter."""
    return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))


def misspelt_in_file(file: File) -> Iterator[str]:
    """Yield why something of a file would not be filled in."""
    path, published, *values = texts_of(file)
    yield from misspelt([path], (SLOT,))
    yield from misspelt([published], IN_PUBLISHED)
    yield from misspelt(values, IN_FILES)


def texts_of(file: File) -> list[str]:
    """Return what of a file may hold placeholders: its path, the one to which it is published, and texts among its values."""
    values: Mapping[str, object] = file.values if isinstance(file, Template) else {}
    return [file.path, str(file.publish or ""), *(each for each in values.values() if isinstance(each, str))]
