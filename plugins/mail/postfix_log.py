"""What postfix logs while it is reloaded: why processes end, and whether the master has read its files."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock

from plugins.mail.programs import LOG_LIMIT, printed

COMPLAINT = re.compile(r"(?:^|[\s/])(smtpd|postscreen|tlsmgr|master)\[\d+\]: ((?:fatal|panic): .*)")
TAKEN = ": reload -- version "
"""Word of the master's."""
LOGS = ("/var/log/mail.log", "/var/log/maillog")
"""Where syslog has what postfix logs, unless it logs to a file of its own."""
SECONDS = 15.0
"""Patience with a program that is asked for lines."""


class Log:
    """What postfix logs from now on: in a file, which may be replaced by another one meanwhile, or in the journal."""

    def __init__(self, programs: str, directory: str) -> None:
        own = printed(f"{programs}/postconf", "-c", directory, "-h", "maillog_file", seconds=SECONDS).strip()
        self._path = next((path for path in map(Path, (own,) if own else LOGS) if path.is_file()), None)
        self._file = self._path.open(errors="replace") if self._path else None
        self._asked = 0.0
        self._journal: list[str] = []
        self._lock = Lock()
        self.begin()

    def begin(self) -> None:
        """Leave out what was logged before."""
        self._since = time.time()
        self._begin = self._file.seek(0, 2) if self._file else 0

    def complaints(self) -> list[str]:
        """Return why processes have ended."""
        found = (COMPLAINT.search(line) for line in self._logged())
        return list(dict.fromkeys(f"{each[1]}: {each[2]}" for each in found if each))

    def tells_of_a_reload(self) -> bool:
        """Whether the master says that it was reloaded."""
        return any(TAKEN in line for line in self._logged())

    def _logged(self) -> list[str]:
        with self._lock:
            return self._lines() or self._in_journal()

    def _lines(self) -> list[str]:
        if self._file is None or self._path is None:
            return []
        length = self._file.seek(0, 2)
        self._file.seek(self._begin if length >= self._begin else 0)
        text = self._file.read(LOG_LIMIT)
        with suppress(OSError), self._path.open(errors="replace") as now:
            if not os.path.sameopenfile(now.fileno(), self._file.fileno()):
                text += now.read(LOG_LIMIT)
        return text.splitlines()

    def _in_journal(self) -> list[str]:
        """Ask at most once a second."""
        if time.monotonic() - self._asked > 1:
            argv = (
                "journalctl",
                "--quiet",
                "--no-pager",
                "--facility=mail",
                "--lines=1000",
                f"--since=@{self._since:.3f}",
            )
            self._journal = printed(*argv, seconds=SECONDS).splitlines()
            self._asked = time.monotonic()
        return self._journal
