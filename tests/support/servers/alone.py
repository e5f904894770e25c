"""A network and a resolv.conf of its own for a process: ``unshare --net --mount PYTHON SCRIPT DIRECTORY``.

What asks the system's resolver asks a `named` of the script's there, at port 53, which takes no other way.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.servers.bind9 import Bind9

ADDRESS = "127.0.0.1"


@contextmanager
def named_as_resolver(directory: Path, *zones: str) -> Iterator[Bind9]:
    """Let a `named` with zones be the resolver of this process and those that it starts."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    configuration = directory / "resolv.conf"
    configuration.write_text(f"nameserver {ADDRESS}\n")
    subprocess.run(["mount", "--bind", configuration, "/etc/resolv.conf"], check=True)
    (directory / "named").mkdir()
    server = Bind9(directory / "named", address=ADDRESS, port=53)
    try:
        for zone in zones:
            server.add_zone(zone, [ADDRESS])
        yield server
    finally:
        server.end()
