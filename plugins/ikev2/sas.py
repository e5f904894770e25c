"""Printer of charon's IKE SAs as JSON: ``python -m plugins.ikev2.sas SOCKET``. Exit code 1: charon does not answer.

One object a line: ``{"connection", "state", "remote_id", "remote_host", "user", "children"}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from plugins.ikev2.vici_socket import plain, session


def rows(charon: Any) -> Iterator[dict[str, object]]:
    """Yield the IKE SAs (RFC 7296), oldest first."""
    for event in charon.list_sas():
        for name, sa in plain(event).items():
            yield {
                "connection": name,
                "state": sa.get("state", ""),
                "remote_id": sa.get("remote-id", ""),
                "remote_host": sa.get("remote-host", ""),
                "user": sa.get("remote-eap-id", "") or sa.get("remote-id", ""),
                "children": sorted({child["name"] for child in sa.get("child-sas", {}).values()}),
            }


def main(arguments: Sequence[str]) -> int:
    """Print; return the exit code."""
    try:
        with session(Path(arguments[0])) as charon:
            found = list(rows(charon))
    except OSError as error:
        sys.stderr.write(f"charon does not answer at {arguments[0]}: {(error.strerror or str(error)).lower()}\n")
        return 1
    for row in found:
        sys.stdout.write(f"{json.dumps(row)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
