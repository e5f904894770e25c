"""Clashes in the configuration that nginx would start with, printed as findings.

Called as ``python -P -m plugins.nginx.diagnose MAIN-FILE DIRECTORY``, with the directory of all files of the agent's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from plugins.nginx.clashes import clashes
from plugins.nginx.configuration import Reader
from plugins.nginx.servers import servers


def findings(main_file: Path, ours: Path) -> Iterator[dict[str, str]]:
    """Give the findings, as `Service.diagnose_command` says."""
    for each in clashes(list(servers(Reader(main_file).read(), f"{ours}/"))):
        yield {"finding": each.severity, "subject": each.subject, "why": each.why, "fix": each.fix}


if __name__ == "__main__":
    for row in findings(Path(sys.argv[1]), Path(sys.argv[2])):
        sys.stdout.write(f"{json.dumps(row)}\n")
