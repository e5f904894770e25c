"""Notification of the daemon that something has changed."""

from __future__ import annotations

import socket

from agent.system.layout import Layout


def poke(layout: Layout) -> bool:
    """Send a datagram to the agent's socket, so that it makes a pass at once. Return whether somebody listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(b"poke", str(layout.poke))
        except BlockingIOError:
            return True  # its queue is full: it will make a pass anyway
        except OSError:
            return False
    return True
