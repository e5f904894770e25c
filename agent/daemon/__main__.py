"""``python -m agent.daemon ROOT FD WHO``: the process that makes passes, which the supervisor starts."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from agent.daemon.pass_process import serve
from agent.system.layout import Layout


def main() -> int:
    """Make passes as the supervisor at the inherited socket `FD` asks for."""
    root, descriptor, who = sys.argv[1:]
    return serve(Layout(Path(root)), socket.socket(fileno=int(descriptor)), who=who)


if __name__ == "__main__":
    sys.exit(main())
