"""Process of ``chainwright webui``: the listener, at the addresses of the deployed generation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chainwright import Places
from plugins.webui.client import SOCKET
from plugins.webui.generation import listen_of
from plugins.webui.pid_file import PID_FILE
from plugins.webui.server import serve


def run(
    places: Places, templates: Sequence[Path], *, listen: Sequence[tuple[str, int]] = (), pid_file: Path | None = None
) -> None:
    """Serve what the agent has deployed to the web interface, until SIGTERM.

    Reads only what its own user may read: no settings and no store. `listen` replaces the hosts and ports that the
    generation names, `pid_file` the place that is the default of ``[services.webui]``. Raises: `WebUIError`.
    """
    listen = listen or listen_of(places.live)
    pid_file = pid_file or places.rooted(PID_FILE)
    serve(places.live, listen=listen, pid_file=pid_file, templates=templates, api=places.run / SOCKET)
