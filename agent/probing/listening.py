"""Who listens at an address of this machine, for messages."""

from __future__ import annotations

import ipaddress

from agent.contract.endpoint import Address
from agent.system.listeners import listeners, processes_of

FEW = 2
"""Processes that are named: a server's children come after it."""


def who_listens(address: Address) -> str:
    """Return the processes that listen at an address: ``nginx (pid 7)``; empty where that can't be told."""
    try:
        sockets = _sockets_at(address)
        found = processes_of(sockets) if sockets else {}
    except (OSError, ValueError):
        return ""
    return " and ".join(f"{name} (pid {pid})" for pid, name in list(found.items())[:FEW])


def _sockets_at(address: Address) -> set[int]:
    """Return the inodes of sockets at the address itself, else of those at every address."""
    host = ipaddress.ip_address(address.host).packed
    found = [(each, inode) for _protocol, _port, each, inode in listeners({address.port})]
    exact = {inode for each, inode in found if each == host}
    same = {inode for each, inode in found if not any(each) and len(each) == len(host)}
    return exact or same or {inode for each, inode in found if not any(each)}
