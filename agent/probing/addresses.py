"""Addresses at which an endpoint is looked at, where its service listens at more than one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from agent.contract.endpoint import Address, Endpoint
from agent.contract.fields import LOOPBACK

MOST = 16
"""Addresses of one listener that are looked at. A machine may have thousands; what is wrong is rarely so only at the last."""
EVERY = {"0.0.0.0": ("0.0.0.0",), "::": ("::",), "": ("0.0.0.0", "::")}  # noqa: S104 - compared, not bound
"""What a service listens at for every address, and the families of that."""


def first_address(endpoint: Endpoint, own: Sequence[str] = ()) -> Endpoint:
    """Return an endpoint at the one address by which a deployment is judged; `own` as in `further_addresses`."""
    if endpoint.path is not None or (endpoint.host not in EVERY and not endpoint.others):
        return endpoint
    families = EVERY.get(endpoint.host)
    return replace(endpoint, host=_first_of(families, endpoint, own) if families else endpoint.host, others=())


def _first_of(families: Sequence[str], endpoint: Endpoint, own: Sequence[str]) -> str:
    """Return the loopback, but where the service leaves it out another address."""
    loopback = LOOPBACK[families[0]]
    if not endpoint.interfaces or loopback in own:
        return loopback
    fitting = (each for family in families for each in own if (":" in each) == (":" in family))
    return next(fitting, loopback)


def further_addresses(endpoint: Endpoint, own: Sequence[str]) -> list[Endpoint]:
    """Return an endpoint at its other addresses; `own` are those of this machine, or of the endpoint's interfaces."""
    if endpoint.path is not None or (endpoint.host not in EVERY and not endpoint.others):
        return []
    first = first_address(endpoint, own)
    found = dict.fromkeys(_each((endpoint.address, *endpoint.others), own))
    found.pop((first.host, first.port), None)
    return [replace(first, host=host, port=port) for host, port in list(found)[: MOST - 1]]


def _each(declared: Iterable[Address], own: Sequence[str]) -> Iterator[tuple[str, int]]:
    for address in declared:
        if address.host not in EVERY:
            yield address.host, address.port
        for family in EVERY.get(address.host, ()):
            if not own or LOOPBACK[family] in own:
                yield LOOPBACK[family], address.port
            yield from ((each, address.port) for each in own if (":" in each) == (":" in family))
