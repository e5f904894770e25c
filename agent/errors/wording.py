"""Words of errors: templates over an error's own fields, ``{certificate:quoted}`` or ``{until:time}``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from string import Formatter
from typing import Any

from agent.errors.problem import rfc3339

SHOWN = 80
"""Characters of a foreign text that are shown in quotes."""
LONGEST = 300
"""Characters of a CA's words that are shown in a sentence; `detail` has all of them."""
LONGEST_REASON = 500
"""Characters of what a plugin or a library says when it fails."""
FEW = 3
"""Items of a list that are shown in a sentence."""


class Wording(Formatter):
    """Formatter of a template with the attributes of an object.

    A field's format is a row of words from `FORMATS`, from left to right, and a number for the longest list:
    ``{names:sorted quoted 5}``. A text around the value follows "?", with "%" for the value, and is left out with an empty one:
    ``{url:? (from %)}``. What follows "or" is written instead of an empty value: ``{names:few or none}``.
    """

    def get_value(self, key: int | str, args: Any, _kwargs: Any) -> Any:
        """Return an attribute of the object."""
        return getattr(args[0], str(key))

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return `value` in the words that the format names."""
        wanted, _, otherwise = format_spec.partition(" or ")
        formats, _, around = wanted.partition("?")
        for word in formats.split():
            value = few(value, int(word)) if word.isdecimal() else FORMATS[word](value)
        text = value if isinstance(value, str) else _joined(value)
        return (around.replace("%", text) if around else text) if text else otherwise


def filled(template: str, error: object) -> str:
    """Return `template` with the attributes of `error`."""
    return Wording().vformat(template, (error,), {})


def quoted(text: str) -> str:
    """Return `text` in quotes, shortened, with whatever could upset a terminal or a log escaped."""
    shown = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    return f'"{escaped(shown)}"'


def escaped(text: str) -> str:
    """Return `text` with whatever could upset a terminal or a log escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def indented(text: str, by: str = "      ") -> list[str]:
    """Return the lines of foreign output, a `Problem.detail`, as a terminal shows them below the sentences."""
    return [f"{by}{escaped(line)}".rstrip() for line in text.expandtabs().splitlines()]


def said(words: str) -> str:
    """Return a CA's words as the end of a sentence, without its full stop."""
    line = " ".join(words.split())
    shown = line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
    return shown.rstrip(".") or "it gives no reason"


def few(items: Collection[str], shown: int = FEW, separator: str = ", ") -> str:
    """Return the first items, and how many more there are."""
    more = len(items) - shown
    return separator.join([*items][:shown]) + (f" and {more} more" if more > 0 else "")


def short(fingerprint: str) -> str:
    """Return the beginning of a fingerprint, enough for people to tell chains apart."""
    return fingerprint[:12]


def reason_of(error: BaseException) -> str:
    """Return the kind of `error` and what it says, in one line, without the values that pydantic would quote.

    What the agent itself says of an answer is a clause without the kind of the error.
    """
    if isinstance(error, SystemExit):
        return "it wanted to end the process (SystemExit)"
    kind = type(error).__name__
    text = _of_pydantic(error) or _in_one_line(error)
    if text and getattr(error, "is_clause", False):
        return text
    return f"{kind}: {text}" if text else kind


def _in_one_line(error: BaseException) -> str:
    """Return the lines of what an error says as one, cut where it's very long; nothing where it fails to say it."""
    try:
        lines = [line.strip() for line in str(error).splitlines()]
    except Exception:
        return ""
    text = " ".join(line for line in lines if line)
    return (text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 3]}...").rstrip(".:")


def _of_pydantic(error: BaseException) -> str:
    from pydantic import PydanticUserError, ValidationError

    if isinstance(error, ValidationError):
        rows = error.errors(include_url=False, include_input=False, include_context=False)
        return ", ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in rows)
    return error.message.partition(". ")[0] if isinstance(error, PydanticUserError) else ""


def place_of(error: BaseException) -> str:
    """Return the last line of the traceback: where in the plugin it happened."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f'File "{last.filename}", line {last.lineno}, in {last.name}: {last.line or ""}'.rstrip(": ")


def _joined(value: Any) -> str:
    return ", ".join(value) if isinstance(value, Collection) else str(value)


def _quoted(value: str | Collection[str]) -> str | list[str]:
    return quoted(value) if isinstance(value, str) else [quoted(each) for each in value]


FORMATS: dict[str, Callable[[Any], Any]] = {
    "clause": lambda text: text.rstrip(".: "),
    "count": lambda items: str(len(items)),
    "few": few,
    "number": "{:g}".format,
    "place": place_of,
    "plus": " + ".join,
    "quoted": _quoted,
    "reason": reason_of,
    "said": said,
    "semicolons": "; ".join,
    "sentence": lambda text: text if text.endswith(("?", ".")) else f"{text}.",
    "short": short,
    "sorted": sorted,
    "time": rfc3339,
    "upper": str.upper,
}
