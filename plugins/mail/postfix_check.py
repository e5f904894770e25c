"""Check of postfix's configuration by postfix's own programs, and for settings that name certain files.

Called as ``python postfix_check.py PROGRAMS DIRECTORY ["NAME = VALUE"...]``; of a main.cf that names none of these values only
the syntax is tested. With ``--named`` before them nothing else is looked at than whether it names any, and with
``--without PLACE`` that it names nothing below PLACE, which is about to go. Exit code 127: postfix isn't installed. No program of
postfix's looks into the chains or the map.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from plugins.mail.programs import need

CHAINS = "smtpd_tls_chain_files"
MAPS = "tls_server_sni_maps"
WITHOUT = "--without"
NAMED = "--named"
NO_TLS = "smtpd_tls_security_level = may"
"""What a main.cf needs that says nothing of TLS."""


def ask(*argv: str) -> str:
    """Return what a program prints; end with its complaint when it fails."""
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(result.stderr.strip() or f'"{" ".join(argv)}" ended with {result.returncode}; its log may say why')
    return result.stdout


def settings(postconf: str, directory: str, *names: str) -> dict[str, str]:
    """Return settings as postfix understands them, other settings in them filled in."""
    lines = ask(postconf, "-c", directory, "-x", *names).splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


def corrected(name: str, value: str, found: str) -> str | None:
    """Return the line that a setting needs; None: it has what it needs.

    Further maps may come after ours: of two that know a name postfix takes the first. Ours is the only file of chains: where two
    are for one kind of key, postfix serves no TLS at all.
    """
    words = found.replace(",", " ").split()
    others = [] if name == CHAINS else [each for each in words if each != value]
    wanted = [value, *others]
    return None if words == wanted else f"{name} = {', '.join(wanted)}"


def missing(postconf: str, directory: str, wanted: Sequence[str]) -> list[str]:
    """Return the lines that a main.cf lacks of those ``NAME = VALUE``, with further maps that are there already."""
    values = dict(line.split(" = ") for line in wanted)
    found = settings(postconf, directory, *values, "smtpd_tls_security_level", "smtpd_use_tls")
    lines = (corrected(name, value, found[name]) for name, value in values.items())
    lacking = [line for line in lines if line]
    if not found["smtpd_tls_security_level"] and found["smtpd_use_tls"] != "yes":
        lacking.append(NO_TLS)
    return lacking


def names_any(postconf: str, directory: str, wanted: Sequence[str]) -> bool:
    """Whether a main.cf names any of the files in those ``NAME = VALUE``."""
    values = dict(line.split(" = ") for line in wanted)
    found = settings(postconf, directory, *values)
    return any(value in found[name].replace(",", " ").split() for name, value in values.items())


def complain(postconf: str, directory: str, wanted: Sequence[str]) -> None:
    """End with the lines that a main.cf lacks, if it does."""
    lacking = missing(postconf, directory, wanted)
    if lacking:
        lines = " ".join(f"'{line}'" for line in lacking)
        sys.exit(f"{directory}/main.cf does not name the agent's files; add them: postconf -c {directory} -e {lines}")


def refuse_to_go(postconf: str, directory: str, place: str) -> None:
    """End with a complaint where a main.cf names files in `place`: without them, postfix serves no TLS."""
    if shutil.which(postconf) is None or not Path(directory, "main.cf").exists():
        return
    named = [name for name, value in settings(postconf, directory, CHAINS, MAPS).items() if place in value]
    if named:
        sys.exit(
            f"{directory}/main.cf still names the agent's files; name files of your own there, or none: "
            f"postconf -c {directory} -X {' '.join(named)}"
        )


def main(arguments: Sequence[str]) -> None:
    """Test; the first complaint ends it."""
    programs, directory, *wanted = arguments
    postconf, postfix = f"{programs}/postconf", f"{programs}/postfix"
    if wanted[:1] == [WITHOUT]:
        refuse_to_go(postconf, directory, wanted[1])
        return
    for program in (postconf, postfix):
        need(program)
    if wanted[:1] == [NAMED]:
        if not names_any(postconf, directory, wanted[1:]):
            complain(postconf, directory, wanted[1:])
        return
    ask(postconf, "-c", directory, "-n")
    ask(postconf, "-c", directory, "-M")
    if wanted and names_any(postconf, directory, wanted):
        complain(postconf, directory, wanted)
    # Its own directories are postfix's to make, but for the one above them.
    Path(settings(postconf, directory, "queue_directory")["queue_directory"]).mkdir(parents=True, exist_ok=True)
    ask(postfix, "-c", directory, "check")


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1:])
