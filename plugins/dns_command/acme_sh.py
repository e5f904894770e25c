"""Call of a script of acme.sh for a DNS service (``dnsapi``), in a home that is thrown away: credentials are written there."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chainwright import TxtRecord
from plugins.dns_command.conventions import Call, Deed
from plugins.dns_command.errors import AcmeShMissing, DnsScriptMissing

PREFIX = "chainwright-acme-sh-"
LEFT_BEHIND = 3600.0
"""Seconds after which a home belongs to a process that was killed: no call takes as long."""
SCRIPT = """
chainwright_script=$1 chainwright_function=$2 chainwright_name=$3 chainwright_value=$4 chainwright_acme_sh=$5
set -- true # what acme.sh runs at its end
. "$chainwright_acme_sh" || exit 1
_initpath
. "$chainwright_script" || exit 1
"$chainwright_function" "$chainwright_name" "$chainwright_value"
"""


def call(program: Path, script: str, deed: Deed, record: TxtRecord, home: Path) -> Call:
    """Return the call of ``dns_X_add`` or ``dns_X_rm``. `program`: acme.sh itself."""
    file = found_script(program, script)
    function = f"{file.stem}_{'add' if deed is Deed.MAKE else 'rm'}"
    argv = ["sh", "-c", SCRIPT, "sh", str(file), function, record.name, record.value, str(program)]
    return Call(argv, {"HOME": str(home), "LE_WORKING_DIR": str(home), "LE_CONFIG_HOME": str(home)})


def found_script(program: Path, script: str) -> Path:
    """Return the file of a script. Raises `AcmeShMissing`, and `DnsScriptMissing` with the names that are like it."""
    if not program.is_file():
        raise AcmeShMissing(program)
    directory = program.parent / "dnsapi"
    file = directory / f"{script}.sh"
    if not file.is_file():
        known = sorted(each.stem for each in directory.glob("dns_*.sh"))
        raise DnsScriptMissing(script, directory, next(iter(difflib.get_close_matches(script, known, 1)), ""))
    return file


@contextmanager
def throw_away_home() -> Iterator[Path]:
    """Give a directory that only its owner may enter, and that is gone afterwards; those of processes that died are removed."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as home:
        now = Path(home).stat().st_mtime  # of the clock that the others were dated by
        remove_left(Path(home).parent.glob(f"{PREFIX}*"), now)
        yield Path(home)


def remove_left(homes: Iterable[Path], now: float) -> None:
    """Remove those that processes have left that died. Others may go away meanwhile: their calls end."""
    for each in homes:
        with suppress(FileNotFoundError):
            found = each.lstat()
            if found.st_uid == os.getuid() and now - found.st_mtime > LEFT_BEHIND:
                shutil.rmtree(each, ignore_errors=True)
