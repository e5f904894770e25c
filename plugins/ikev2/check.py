"""Check of a configuration as it is going to be loaded: read it, and name the first thing that charon would refuse.

Called as ``python -m plugins.ikev2.check PROGRAM DIRECTORY...``. swanctl has no test of its own: after a mistake of syntax it
unloads every connection, and ends with 0. Exit code 127: PROGRAM, the daemon, isn't installed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from plugins.ikev2.configuration import read
from plugins.ikev2.grammar import Unreadable

NOT_FOUND = 127


def main(arguments: Sequence[str]) -> int:
    """Check; return the exit code. The first complaint ends it."""
    program, *directories = arguments
    try:
        read([Path(each) for each in directories])
    except Unreadable as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if shutil.which(program) is None:
        sys.stderr.write(f"{program} is not installed\n")
        return NOT_FOUND
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
