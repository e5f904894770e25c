"""Check of accel-ppp's configuration: accel-ppp has none, and reports mistakes only in its log.

Called as ``python check_accel_ppp.py PROGRAM MAIN_FILE INCLUDED_FILE [LINE]``. With the line that has ours included, nothing else
is looked at than whether the main file says it; without, a main file that doesn't include ours is only read. Exit code 127:
accel-ppp isn't installed. Sections are read as accel-ppp does (accel-pppd/triton/conf_file.c): of two with one name the first one
counts, and so does the first of two lines with one name.
"""

from __future__ import annotations

import shutil
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_address
from pathlib import Path

NOT_FOUND = 127
LONGEST_LINE = 1022
"""Octets; what is longer is cut in two."""
SSTP, RANGES = "sstp", "client-ip-range"


@dataclass
class Section:
    """One section, in the file where it begins."""

    name: str
    file: Path
    options: list[tuple[str, str]] = field(default_factory=list)

    def value(self, name: str) -> str:
        """Return what the first line with this name says; empty: there is none."""
        return next((value for key, value in self.options if key == name), "")

    @property
    def names(self) -> list[str]:
        """The names of its lines."""
        return [name for name, _ in self.options]


class Reading:
    """Main file with its includes, as accel-ppp reads it."""

    def __init__(self, main_file: Path) -> None:
        self.sections: list[Section] = []
        self.files: list[Path] = []
        self._read(main_file, "", None, ())

    def first(self, name: str) -> Section | None:
        """Return the section that counts."""
        return next((each for each in self.sections if each.name == name), None)

    def _read(self, file: Path, named_by: str, section: Section | None, above: tuple[Path, ...]) -> None:
        if file in above:
            sys.exit(f"error: {file} includes itself")
        self.files.append(file)
        for number, line in self._lines(file, named_by):
            if line.startswith("$include"):
                named = Path(line.removeprefix("$include").strip())
                self._read(named, f", named by {file}:{number},", section, (*above, file))
            elif line.startswith("["):
                section = Section(self._title(line, f"{file}:{number}"), file)
                self.sections.append(section)
            elif section is None:
                sys.exit(f"error: {file}:{number}: a line before the first section")
            else:
                name, _, value = line.partition("=")
                section.options.append((name.strip(), value.strip()))

    def _lines(self, file: Path, named_by: str) -> Iterator[tuple[int, str]]:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError as error:
            sys.exit(f"error: {file}{named_by} can't be read: {error.strerror}")
        for number, line in enumerate(lines, 1):
            if len(line.encode()) > LONGEST_LINE:
                sys.exit(f"error: {file}:{number}: the line is too long for accel-ppp")
            if (text := line.strip(" \t")) and not text.startswith("#"):
                yield number, text

    @staticmethod
    def _title(line: str, where: str) -> str:
        name, closed, _ = line[1:].partition("]")
        if not closed:
            sys.exit(f'error: {where}: a section without its "]"')
        return name


def check(main_file: Path, included: Path) -> None:
    """Look whether accel-ppp would serve SSTP with our files; end with the first complaint."""
    reading = Reading(main_file)
    if not _includes(reading, included):
        return  # it serves nothing of ours, whatever is in them
    ours = _ours(included)
    if not ours:
        return  # there is no chain yet
    sstp = reading.first(SSTP)
    if sstp is None or sstp.file not in ours:
        sys.exit(
            f"error: {sstp.file if sstp else main_file} has a section [{SSTP}] before that of the agent; remove it"
        )
    _check_modules(reading, main_file)
    _check_files(sstp)
    _check_ranges(reading, main_file, sstp.value("bind"))


def see_included(main_file: Path, included: Path, line: str) -> None:
    """End with the line to add where our files are not included."""
    if not _includes(Reading(main_file), included):
        sys.exit(f"error: {main_file} does not include the agent's file; add as its first line: {line}")


def _includes(reading: Reading, included: Path) -> bool:
    return included.resolve() in [each.resolve() for each in reading.files]


def _ours(included: Path) -> list[Path]:
    return [file for file in Reading(included).files if file != included]


def _check_modules(reading: Reading, main_file: Path) -> None:
    modules = reading.first("modules")
    if modules is None or SSTP not in modules.names:
        sys.exit(f"error: {main_file} does not load SSTP; add a line to [modules]: {SSTP}")


def _check_files(sstp: Section) -> None:
    """accel-ppp says in its log only what it can't use, and sessions are bound to a leaf whose key it has refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem, key = sstp.value("ssl-pemfile"), sstp.value("ssl-keyfile")
    try:
        context.load_cert_chain(pem, key or None)
        context.load_verify_locations(sstp.value("ssl-ca-file") or pem)
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        said = str(reason or error).replace("_", " ").lower()
        sys.exit(f"error: {sstp.file}: ssl-pemfile, ssl-keyfile and ssl-ca-file can't be used: {said}")


def _check_ranges(reading: Reading, main_file: Path, bind: str) -> None:
    """accel-ppp drops connections from elsewhere before the handshake, those of the agent's own looks too."""
    if ":" in bind:
        return  # IPv6 clients are let in from everywhere
    own = ip_address("127.0.0.1" if bind in {"", "0.0.0.0"} else bind)  # noqa: S104
    ranges = reading.first(RANGES)
    if not any(_covers(each, str(own)) for each in (ranges.names if ranges else [])):
        sys.exit(f"error: {main_file} does not let the agent look at SSTP; add a line to [{RANGES}]: {own}/32")


def _covers(written: str, own: str) -> bool:
    """Whether a range, as ``10.0.0.0/8``, ``10.0.0.0-255`` or ``disable``, holds an address."""
    if written == "disable":
        return True
    first, dash, last = written.partition("-")
    try:
        if dash:
            head, _, begin = first.rpartition(".")
            return own.rpartition(".")[0] == head and int(begin) <= int(own.rpartition(".")[2]) <= int(last)
        return ip_address(own) in IPv4Network(written, strict=False)
    except ValueError:
        return False  # accel-ppp ignores it too


def main(program: str, main_file: str, included: str, line: str = "") -> None:
    """Test."""
    if shutil.which(program) is None:
        sys.stderr.write(f"{program} is not installed\n")
        sys.exit(NOT_FOUND)
    if line:
        see_included(Path(main_file), Path(included), line)
    else:
        check(Path(main_file), Path(included))


if __name__ == "__main__":
    main(*sys.argv[1:])
