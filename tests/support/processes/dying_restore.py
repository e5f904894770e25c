"""Restores a backup and dies, as by a power cut: `dying_restore.py ROOT FILE NUMBER`, just before change NUMBER of the disk.

It prints how many changes there were when it comes to its end.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from agent.auth.person import Actor
from agent.backup.restoring import restore
from agent.system.layout import Layout

CHANGES = frozenset({"os.rename", "os.link", "os.mkdir", "os.rmdir", "os.remove", "os.chmod"})
WRITING = os.O_WRONLY | os.O_RDWR


def main() -> None:
    root, file, number = sys.argv[1:4]
    made = [0]

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event in CHANGES or (
            event == "open" and str(arguments[0]).startswith(root) and int(str(arguments[2])) & WRITING
        ):
            made[0] += 1
            if made[0] == int(number):
                os._exit(9)

    sys.addaudithook(count)
    passphrase = (Path(root) / "passphrase").read_bytes().strip()
    actor = Actor("test", "command")
    restore(Layout(Path(root)), Path(file), passphrase, replace=True, actor=actor, now=datetime.now(UTC), wait=0)
    print(made[0])


if __name__ == "__main__":
    main()
