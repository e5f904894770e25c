"""Repair of an installed sstp-server 0.7.2, which carries frames of its first session only.

It doesn't close the transports of a session's pseudo-terminal, so the event loop goes on to watch their file descriptors. The
next session gets descriptors with the same numbers, and nothing of it is read. Upstream has closed them since the commit
https://github.com/sorz/sstp-server/commit/a9ffe643ce6d390460578658ee3fe2d2b42b90c0, which is in no release yet.

Called as ``PYTHON repair_sstpd.py`` by the Python that sstp-server is installed for. 0.6 has no pseudo-terminals.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

PUBLISHED = "455833f8f3b4162cea0ff65efbd52af77212c9c3da8cb10d09b97e6e474a350b"
"""SHA-256 of the file in 0.7.2."""
TERMINAL = "class PTYReceiver("
"""What a version with pseudo-terminals has."""
CLOSED = "self.read_transport.close()"
"""What a version has that closes them."""
BEFORE = """\
        try:
            os.close(self.slave_fd)
"""
CLOSING = """\
        # Added by Chainwright: the loop would watch these descriptors, and the next session gets their numbers.
        for each in (self.read_transport, self.write_transport):
            if each is not None:
                each.close()
"""
REPAIRED = "Added by Chainwright"


def repair(path: Path, published: str = PUBLISHED) -> None:
    """Have `path`, its ppp.py, close them; end with a complaint where the file is not the one that this was written for."""
    content = path.read_bytes()
    text = content.decode()
    if TERMINAL not in text or CLOSED in text or REPAIRED in text:
        return
    if hashlib.sha256(content).hexdigest() != published:
        sys.exit(f"error: {path} is not that of sstp-server 0.7.2, so it was not repaired")
    replace(path, text.replace(BEFORE, CLOSING + BEFORE))


def replace(path: Path, text: str) -> None:
    """Put a new file in place of one that may be imported meanwhile."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text)
    os.chmod(draft, path.stat().st_mode & 0o777)  # noqa: PTH101
    draft.replace(path)


def installed() -> Path:
    """Return sstp-server's ppp.py, as this Python would import it."""
    found = importlib.util.find_spec("sstpd")
    places = found.submodule_search_locations if found else None
    if not places:
        sys.exit(f"error: sstp-server is not installed for {sys.executable}")
    return Path(places[0]) / "ppp.py"


if __name__ == "__main__":
    repair(installed())
