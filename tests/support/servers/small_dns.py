"""Names as this machine's resolver knows them, in a network with a DNS of its own: for ``unshare --net --mount``.

The hosts file and resolv.conf are mounted over the machine's in this process's mount namespace. One DNS server answers
A queries for the names of `ZONE`, another one takes them and never answers. Prints what `agent.system.resolving` makes of it.
"""

import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from agent.system.resolving import addresses_of, resolve_all

ZONE = {"db.corp.test": ["192.0.2.7", "192.0.2.8"], "app.test": ["192.0.2.9"]}
ALIVE, DEAD = "127.0.0.53", "127.0.0.54"
HOSTS = "127.0.0.1 localhost\n192.0.2.1 printer printer.lan\n"


def answer(query: bytes) -> bytes:
    """Answer a query (RFC 1035 section 4.1) for A records; there are none of other types."""
    labels, place = [], 12
    while length := query[place]:
        labels.append(query[place + 1 : place + 1 + length].decode().lower())
        place += 1 + length
    question, kind = query[12 : place + 5], struct.unpack("!H", query[place + 1 : place + 3])[0]
    found = ZONE.get(".".join(labels))
    records = [socket.inet_aton(each) for each in found or []] if kind == 1 else []
    flags = 0x8180 if found else 0x8183  # NXDOMAIN
    head = query[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
    return head + question + b"".join(struct.pack("!3HIH", 0xC00C, 1, 1, 60, 4) + each for each in records)


def serve(place: socket.socket) -> None:
    while True:
        query, client = place.recvfrom(4096)
        place.sendto(answer(query), client)


def listening(address: str) -> socket.socket:
    place = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    place.bind((address, 53))
    return place


def mount(directory: Path, name: str, text: str) -> None:
    """Put a text in place of a file below /etc."""
    path = directory / name
    path.write_text(text)
    subprocess.run(["mount", "--bind", path, f"/etc/{name}"], check=True)


def main(directory: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount(directory, "hosts", HOSTS)
    mount(directory, "resolv.conf", f"nameserver {ALIVE}\nsearch corp.test\noptions timeout:5 attempts:1\n")
    with listening(ALIVE) as alive, listening(DEAD):
        threading.Thread(target=serve, args=[alive], daemon=True).start()
        names = ["db", "app.test", "printer", "nowhere.test"]
        found = resolve_all(names, addresses_of, 10)
        (directory / "resolv.conf").write_text(f"nameserver {DEAD}\noptions timeout:5 attempts:1\n")
        dead = resolve_all(["db.corp.test", "printer"], addresses_of, 0.3)
        print(json.dumps(found), flush=True)
        print(json.dumps(dead), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
