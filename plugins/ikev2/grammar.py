"""Strict parser of swanctl.conf (strongswan.conf(5)): unknown syntax is refused, with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)
    | (?P<end>\n)
    | (?P<open>\{)
    | (?P<close>\})
    | (?P<equals>=)
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<word>[^\s{}="\#]+)""",
    re.VERBOSE,
)
NAME = re.compile(r"[A-Za-z0-9_-]+")


class Unreadable(Exception):
    """A configuration that can't be used. Its text is a sentence: where, and why."""


@dataclass
class Section:
    """A section with its settings and sections, in order."""

    line: int
    """At which it begins."""
    values: dict[str, str] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse(text: str, where: str) -> Section:
    """Return the sections of a file called `where`. Raises `Unreadable`."""
    return _Parser(where, _tokens(text, where)).file()


def _tokens(text: str, where: str) -> list[_Token]:
    found: list[_Token] = []
    at, line = 0, 1
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f'{where}, line {line}: a text in "..." has no end')
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(kind, match[0], line))
        line += match[0].count("\n")
        at = match.end()
    return [*found, _Token("end", "\n", line), _Token("nothing", "", line)]


class _Parser:
    """Parser that goes through the tokens once."""

    def __init__(self, where: str, tokens: list[_Token]) -> None:
        self._where = where
        self._tokens = tokens
        self._at = 0

    def file(self) -> Section:
        top = Section(1)
        self._fill(top, "nothing")
        return top

    def _fill(self, section: Section, ending: str) -> None:
        while (token := self._next()).kind != ending:
            if token.kind == "end":
                continue
            if token.kind != "word":
                what = (
                    "the file ends inside of a section"
                    if token.kind == "nothing"
                    else f'"{token.text}" is out of place'
                )
                raise self._refusal(token, what)
            self._take(section, token)

    def _take(self, section: Section, name: _Token) -> None:
        after = self._next()
        if not NAME.fullmatch(name.text) or after.kind not in {"open", "equals"}:
            raise self._refusal(name, f'"{name.text}" is neither a section nor a setting; write all of it here')
        if name.text in section.values or name.text in section.sections:
            raise self._refusal(name, f'"{name.text}" stands there twice')
        if after.kind == "equals":
            section.values[name.text] = self._value()
            return
        section.sections[name.text] = Section(name.line)
        self._fill(section.sections[name.text], "close")

    def _value(self) -> str:
        """Return a value, which ends with its line, or with its section."""
        words = []
        while self._peek().kind in {"word", "quoted"}:
            token = self._next()
            words.append(_unquoted(token.text) if token.kind == "quoted" else token.text)
        return " ".join(words)

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _peek(self) -> _Token:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _refusal(self, token: _Token, what: str) -> Unreadable:
        return Unreadable(f"{self._where}, line {token.line}: {what}")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
