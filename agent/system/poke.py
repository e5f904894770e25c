"""Notification of the daemon that something has changed."""

from __future__ import annotations

import socket

from agent.system.layout import Layout


def poke(layout: Layout, job: str = "") -> bool:
    """Send a datagram to the agent's socket, so that it makes a pass at once. Return whether somebody listens there.

    `job`: what it is to do, the id of a row of the store. Where its queue is full, nothing else is asked for, and a job is
    not taken: False.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(f"job {job}".encode() if job else b"poke", str(layout.poke))
        except BlockingIOError:
            return not job  # its queue is full: it will make a pass anyway
        except OSError:
            return False
    return True
