"""Trial of an installed sstp-server: whether it carries frames, which neither its start nor a handshake shows.

Called as ``PYTHON try_sstpd.py REPAIR [SECONDS]`` by the Python that sstp-server is installed for, which may be older than
ours. Prints why it carries none and what would cure it. Nothing: it carries them, or it isn't known how this version is tried.
Frames go as a session's do: through the codec and a process in pppd's place, which sends them back, in several sessions in a row.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import pty
import sys
import tty
from collections.abc import Iterable
from importlib import import_module
from typing import Any

FRAME = b"\xff\x03\xc0\x21" + bytes(range(256))
"""LCP, with every octet: some are escaped (RFC 1662 section 4.2)."""
ECHO = 'case $1 in /*) exec cat <"$1" >"$1" ;; *) exec cat ;; esac'
"""A session's program. 0.7 names a terminal, as pppd takes it; 0.6 talks over pipes."""
SESSIONS = 3
PATIENCE = 15.0
"""Seconds for a step of a session: a machine that is busy must not have its chain refused for that."""
BUILD = (
    'build it again: "CFLAGS=-DPY_SSIZE_T_CLEAN {python} -m pip install --force-reinstall --no-cache-dir --no-binary sstp-server '
    'sstp-server=={version}"'
)
REPAIR = 'repair it: "{python} {repair}"'


def try_codec() -> str:
    """Return what is wrong with what escapes frames for pppd and takes them out of its octets."""
    codec = import_module("sstpd.codec")
    escape, decoder = codec.escape, codec.PppDecoder()
    try:
        octets = escape(FRAME)
        frames = [frame for octet in octets for frame in decoder.unescape(bytes([octet]))]
    except Exception as error:  # whatever it is: each frame would meet it
        return f"its codec fails at every frame: {type(error).__name__}: {error}"
    return "" if frames == [FRAME] else "its codec changes the frames"


class Client:
    """Connection of a client as sstp-server sees it, to which it passes what comes from pppd."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("trial")
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.ended = asyncio.Event()

    def write_ppp_frames(self, frames: Iterable[bytes]) -> None:
        """Take what pppd has sent."""
        for frame in frames:
            self.frames.put_nowait(frame)

    def ppp_stopped(self) -> None:
        """Take note of pppd's end."""
        self.ended.set()


async def try_sessions(patience: float) -> str:
    """Return what is wrong with sessions after the first; a first one that fails may be the fault of this trial."""
    for number in range(SESSIONS):
        if not await carries(patience):
            return "its sessions after the first get no frames" if number else ""
    return ""


async def carries(patience: float) -> bool:
    """Whether a frame comes back in a new session."""
    client = Client()
    factory, where = session_of(client)
    loop = asyncio.get_running_loop()
    transport, process = await loop.subprocess_exec(factory, "/bin/sh", "-c", ECHO, "sh", where)
    try:
        await asyncio.wait_for(connected(process), patience)
        process.write_frame(FRAME)
        return await asyncio.wait_for(client.frames.get(), patience) == FRAME
    except asyncio.TimeoutError:  # noqa: UP041 - another class before Python 3.11
        return False
    finally:
        if transport.get_returncode() is None:
            transport.terminate()
        await asyncio.wait_for(client.ended.wait(), patience)


def session_of(client: Client) -> tuple[Any, str]:
    """Return a factory of what sstp-server has for one session, and where the program finds its client, as it is told."""
    factory = import_module("sstpd.ppp").PPPDProtocolFactory
    if "master_fd" not in inspect.signature(factory).parameters:
        return factory(callback=client, remote=""), "notty"
    master, slave = pty.openpty()
    tty.setraw(slave)
    return factory(callback=client, remote="", master_fd=master, slave_fd=slave), os.ttyname(slave)


async def connected(process: Any) -> None:
    """Wait until frames can be written."""
    while getattr(process, "write_transport", None) is None:
        await asyncio.sleep(0.001)


def main(repair: str, patience: str = str(PATIENCE)) -> None:
    """Print the first thing that is wrong, and its cure."""
    logging.disable()
    for trial, cure in ((try_codec, BUILD), (lambda: asyncio.run(try_sessions(float(patience))), REPAIR)):
        try:
            wrong = trial()
        except (ImportError, AttributeError, TypeError, OSError):
            continue  # another version, or no terminals here
        if wrong:
            version = import_module("sstpd").__version__
            sys.stdout.write(f"{wrong}; {cure.format(python=sys.executable, version=version, repair=repair)}\n")
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
