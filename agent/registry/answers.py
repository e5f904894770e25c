"""Checks of what comes back from plugins, by type and at once. Only types are named: a value may hold a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

MOST_MEMBERS = 100_000
"""Of one answer: files, endpoints, names."""
LONGEST_TEXT = 10_000

T = TypeVar("T")


class WrongAnswer(TypeError):
    """An answer that the contract does not allow: why, as a clause."""

    is_clause = True


def members(answer: object, kinds: tuple[type, ...], most: int = MOST_MEMBERS) -> list[Any]:
    """Return the members of a list, a tuple, a set or a generator, which is read no further than `most`. Raises `WrongAnswer`."""
    if not isinstance(answer, Iterable) or isinstance(answer, str | bytes | bytearray | Mapping):
        raise WrongAnswer(f"it is {kind_of(answer)}, not a list")
    found = list(islice(answer, most + 1))
    if len(found) > most:
        raise WrongAnswer(f"it has more than {most} members")
    for each in found:
        if not isinstance(each, kinds):
            raise WrongAnswer(f"it holds {kind_of(each)}, only {names_of(kinds)} may stand there")
    return found


def one_of(answer: object, kinds: tuple[type[T], ...]) -> T | None:
    """Return an answer that is one of `kinds`, or None. Raises `WrongAnswer`."""
    if answer is not None and not isinstance(answer, kinds):
        raise WrongAnswer(f"it is {kind_of(answer)}, not {names_of(kinds)} or None")
    return answer


def exactly(answer: object, kind: type[T]) -> T:
    """Return an answer that is a `kind`. Raises `WrongAnswer`."""
    if not isinstance(answer, kind) or (kind is not bool and isinstance(answer, bool)):
        raise WrongAnswer(f"it is {kind_of(answer)}, not {names_of((kind,))}")
    return answer


def text(answer: object, longest: int = LONGEST_TEXT) -> str:
    """Return an answer that is a text of at most so many characters. Raises `WrongAnswer`."""
    found = exactly(answer, str)
    if len(found) > longest:
        raise WrongAnswer(f"it is a text of {len(found)} characters, more than {longest}")
    return found


def truth(answer: object) -> bool:
    """Return an answer that is yes or no. Raises `WrongAnswer`."""
    return exactly(answer, bool)


def instant(answer: object) -> datetime:
    """Return an answer that is an instant with a time zone. Raises `WrongAnswer`."""
    found = exactly(answer, datetime)
    if found.utcoffset() is None:
        raise WrongAnswer("it is a datetime without a time zone")
    return found


def kind_of(value: object) -> str:
    """Name the type of a value."""
    return "None" if value is None else f"an object of type {type(value).__name__}"


def names_of(kinds: tuple[type, ...]) -> str:
    """Name types."""
    return " or ".join(kind.__name__ for kind in kinds)
