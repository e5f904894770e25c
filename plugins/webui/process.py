"""Process of ``chainwright webui``: the listener, at the addresses of the deployed generation."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from chainwright import Places
from plugins.webui.client import SOCKET
from plugins.webui.generation import listen_of, load_generation
from plugins.webui.pid_file import PID_FILE, write_pid
from plugins.webui.serving import serve
from plugins.webui.sockets import all_listening
from plugins.webui.start import Start


def run(
    places: Places, templates: Sequence[Path], *, listen: Sequence[tuple[str, int]] = (), pid_file: Path | None = None
) -> None:
    """Serve what the agent has deployed to the web interface, until SIGTERM.

    Reads only what its own user may read: no settings and no store. `listen` replaces the hosts and ports that the
    generation names, `pid_file` the place that is the default of ``[services.webui]``.

    The process executes itself again, without what a command line needs; where its user may not execute the interpreter, it
    serves as it is. Raises `WebUIError` where there is nothing usable to serve, or nowhere to serve it.
    """
    addresses = listen or listen_of(places.live)
    start = start_at(places.live, addresses, pid_file or places.rooted(PID_FILE), templates, places.run / SOCKET)
    write_pid(start.pid_file)
    with contextlib.suppress(OSError):
        start.execute()
    serve(start)


def start_at(
    live: Path, listen: Sequence[tuple[str, int]], pid_file: Path, templates: Sequence[Path], api: Path
) -> Start:
    """Return the start of a process that listens at these hosts and ports (0: any free one).

    Raises `WebUIError` where there is nothing usable to serve, or nowhere to serve it.
    """
    load_generation(live, rescue=True)
    return Start(live, all_listening(listen), pid_file, templates, api)
