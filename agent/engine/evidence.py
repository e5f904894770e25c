"""Check whether what was seen on the wire is still so, for a run that has nothing else to do.

The kernel's list of who listens shows in a moment that a service has ended, was restarted, or gave way to another. A person who
calls also has a handshake made at each address, unless it was looked at just now. Cheap to import, as `agent.engine.freshness`.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.system.last_look import note_look
from agent.system.listeners import listeners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.health.snapshot import Snapshot
    from agent.model.deployment import EndpointRecord

KEY = "evidence"
LATELY = 10.0
"""Seconds for which a look is believed when a person calls again."""
MOST_HANDSHAKES = 8
"""More than so many addresses are left to a pass, which looks at several at a time."""
UNKNOWN = "?"
"""In place of an endpoint that only a pass can look at: STARTTLS, another protocol, a UNIX socket."""


def written_evidence(snapshot: Snapshot, *, observes: bool = False) -> str:
    """Return what is kept in the database of what was seen. `observes`: services tell of themselves, to a pass only."""
    judged = [each for each in snapshot.endpoints if not each.further]
    ports = sorted({_port(each.address) for each in snapshot.endpoints} - {0})
    expected = {record.id: record.fingerprints for record in snapshot.chains}
    sample = {_line(each, expected.get(each.chain or "", ())) for each in _sample(judged)}
    if len(sample) > MOST_HANDSHAKES:
        sample = {UNKNOWN}
    if observes:
        sample.add(UNKNOWN)
    return "\n".join([repr(_seen_at(judged)), " ".join(map(str, ports)), _listening(ports), *sorted(sample)])


def still_holds(root: str, kept: str, now: float, *, look: bool, all_of_it: bool = True) -> bool:
    """Whether somebody listens at each port who did then, and, for `look`, what was seen is still presented, which is noted.

    `now`: seconds since the epoch. `all_of_it`: what only a pass can look at is unknown; else it is left out.
    """
    seen_at, ports, listening, *sample = kept.split("\n")
    try:
        if _listening([int(port) for port in ports.split()]) != listening:
            return False
    except OSError:
        return False
    if not look or 0 <= now - float(seen_at) < LATELY:
        return True
    sample = sample if all_of_it else [line for line in sample if line != UNKNOWN]
    if UNKNOWN in sample or not all(_is_presented(line) for line in sample):
        return False
    note_look(root, now, map(_place, sample))
    return True


def _is_presented(line: str) -> bool:
    from agent.probing.quick_look import fingerprints_at

    host, port, fingerprints, *name = line.split(" ")
    return ",".join(fingerprints_at(host, int(port), "".join(name))) == fingerprints


def _place(line: str) -> tuple[str, str]:
    """Return the address and the server name of a line of the sample."""
    host, port, _, *name = line.split(" ")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}", "".join(name)


def _listening(ports: Iterable[int]) -> str:
    return repr(listeners(frozenset(ports)))


def _seen_at(endpoints: Iterable[EndpointRecord]) -> float:
    """Return when that address was looked at last that was left alone for longest, in seconds since the epoch."""
    newest: dict[str, float] = {}
    for each in endpoints:
        at = each.checked_at.timestamp() if each.checked_at else 0.0
        newest[each.address] = max(at, newest.get(each.address, 0.0))
    return min(newest.values(), default=0.0)


def _sample(endpoints: list[EndpointRecord]) -> Iterable[EndpointRecord]:
    """Return all endpoints where they are few, else one for each address."""
    if len(endpoints) <= MOST_HANDSHAKES:
        return endpoints
    return {each.address: each for each in reversed(endpoints)}.values()


def _line(endpoint: EndpointRecord, fingerprints: tuple[str, ...]) -> str:
    host, _, port = endpoint.address.rpartition(":")
    if not endpoint.plain_tls or not fingerprints:
        return UNKNOWN
    return f"{host.strip('[]')} {port} {','.join(fingerprints)} {endpoint.server_name}"


def _port(address: str) -> int:
    port = address.rpartition(":")[2]
    return int(port) if port.isdecimal() and not address.startswith("unix:") else 0
