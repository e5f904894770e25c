"""Repairs or copies the database, and dies before the Nth change on disk, with 9: `dying_at.py ROOT repair|copy N`."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from agent.auth.audit_log import AGENT
from agent.engine.bus import Bus
from agent.engine.recovering import recover_and_tell
from agent.store import Store
from agent.store.copies import make_copy
from agent.store.recovery import diagnose
from agent.system.layout import Layout
from agent.system.lock import held

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.link", "os.chmod", "shutil.rmtree", "sqlite3.connect", "open"}


def die_before_change(number: int) -> None:
    left = [number]

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES and (event != "open" or int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR)):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)

    sys.addaudithook(count)


def main() -> None:
    layout, what, number = Layout(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
    now = datetime.now(UTC)
    with held(layout.lock, wait=0):
        if what == "copy":
            with Store.open(layout) as store:
                die_before_change(number)
                make_copy(layout, store.database, store.sealer, "daily", now)
            return
        die_before_change(number)
        found = diagnose(layout)
        if found is not None:
            recover_and_tell(layout, found, now, AGENT, Bus())


if __name__ == "__main__":
    main()
