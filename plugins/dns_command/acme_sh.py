"""Call of a script of acme.sh for a DNS service (``dnsapi``), in a home that is thrown away: credentials are written there."""

from __future__ import annotations

import difflib
import fcntl
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
IN_MEMORY = "/run/chainwright"
"""Where homes are: a file system in memory, so that a power cut leaves none."""
BEGINNING = 10.0
"""Seconds that a home of another call may be without its lock: it is just being made."""
LARGEST_FILE = 20480
"""Blocks of 512 octets."""
SCRIPT = f"""
ulimit -f {LARGEST_FILE}
chainwright_script=$1 chainwright_function=$2 chainwright_name=$3 chainwright_value=$4 chainwright_acme_sh=$5
set -- true # what acme.sh runs at its end
. "$chainwright_acme_sh" || exit 1
_initpath
. "$chainwright_script" || exit 1
"$chainwright_function" "$chainwright_name" "$chainwright_value"
"""
OF_HOME = ("HOME", "LE_WORKING_DIR", "LE_CONFIG_HOME", "TMPDIR")


def call(program: Path, script: str, deed: Deed, record: TxtRecord, home: Path) -> Call:
    """Return the call of ``dns_X_add`` or ``dns_X_rm``. `program`: acme.sh itself."""
    file = found_script(program, script)
    function = f"{file.stem}_{'add' if deed is Deed.MAKE else 'rm'}"
    argv = ["sh", "-c", SCRIPT, "sh", str(file), function, record.name, record.value, str(program)]
    return Call(
        argv, dict.fromkeys(OF_HOME, str(home)) | {"ACCOUNT_CONF_PATH": str(home / "account.conf"), "LOG_FILE": ""}
    )


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
def throw_away_home(within: Path) -> Iterator[Path]:
    """Give a directory that only its owner may enter, and that is gone afterwards; those of processes that died are removed.

    It is made below `within`, or with other temporary files where that isn't there.
    """
    above = within if within.is_dir() else Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=above, ignore_cleanup_errors=True) as made:
        home = Path(made)
        with locked(home):
            remove_left(above.glob(f"{PREFIX}*"), home.stat().st_mtime)  # of the clock that the others were dated by
            yield home


@contextmanager
def locked(home: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock of a home; programs that are run don't have it. Raises OSError."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def remove_left(homes: Iterable[Path], now: float) -> None:
    """Remove those that processes have left that died. Others may go away meanwhile: their calls end."""
    for each in homes:
        with suppress(OSError):
            found = each.lstat()
            if found.st_uid == os.getuid() and abs(now - found.st_mtime) > BEGINNING:
                with locked(each, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    shutil.rmtree(each, ignore_errors=True)
