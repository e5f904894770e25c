"""Files for postfix, made from a generation's chains; then another program is run if one is named.

Called as ``python postfix_files.py POSTMAP TYPE DIRECTORY [PROGRAM ARGUMENT...]``. In DIRECTORY it makes ``default.pem`` of the
pairs that the files in ``main/`` name, and the map ``sni`` of the lines in ``names/``, each where it isn't there yet. Both hold
keys: no other user can read them, not even for an instant. Exit code 127: POSTMAP isn't installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from plugins.mail.programs import need

ENDINGS = {"hash": "db", "btree": "db", "lmdb": "lmdb", "cdb": "cdb"}


def write(target: Path, parts: Iterable[bytes]) -> None:
    """Write a file that no other user can read; it is there as a whole or not at all."""
    draft = target.with_name(f".{target.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.writelines(parts)
    draft.rename(target)


def lines_of(directory: Path) -> list[str]:
    """Return the lines of all files, in order of their names."""
    return [line for path in sorted(directory.glob("*")) for line in path.read_text().splitlines()]


def rows(lines: Iterable[str]) -> Iterator[str]:
    """Give a row a name, with all its pairs."""
    pairs: dict[str, list[str]] = {}
    for name, pair in (line.split() for line in lines):
        pairs.setdefault(name, []).append(pair)
    return (f"{name} {', '.join(files)}\n" for name, files in pairs.items())


def settle(path: Path) -> None:
    """Let a file look old: each program of postfix's waits two seconds for a younger one, which may be incomplete."""
    os.utime(path, (0, 0))


def build_map(postmap: str, kind: str, directory: Path) -> None:
    """Have the files read that the rows name (postmap -F).

    The map gets the mode of its source. postmap leaves a name out whose file it can't read, and ends with 0 all the same.
    """
    source = directory / "sni"
    write(source, (row.encode() for row in rows(lines_of(directory / "names"))))
    settle(source)
    made = directory / f"sni.{ENDINGS[kind]}"
    need(postmap)
    argv = [postmap, "-c", f"{directory}/postmap", "-F", f"{kind}:{source}"]
    result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0 or result.stderr.strip():
        made.unlink(missing_ok=True)
        sys.exit(result.stderr.strip() or f"postmap ended with {result.returncode}")


def main(arguments: Sequence[str]) -> None:
    """Make what is missing, then become the program that is named."""
    postmap, kind, place, *program = arguments
    directory = Path(place)
    for configuration in directory.rglob("main.cf"):
        settle(configuration)
    if not (directory / "default.pem").exists():
        # postfix takes a key for the beginning of a new pair (postconf(5), smtpd_tls_chain_files).
        write(directory / "default.pem", (Path(pair).read_bytes() for pair in lines_of(directory / "main")))
    if not (directory / f"sni.{ENDINGS[kind]}").exists():
        build_map(postmap, kind, directory)
    if program:
        need(program[0])
        os.execvp(program[0], program)  # noqa: S606 - an argument list, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
