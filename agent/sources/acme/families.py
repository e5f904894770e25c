"""Where a CA may connect to for a name: each address that the name has, over IPv4 and over IPv6."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def family_of(address: str) -> str:
    """Return what people call the family of an address."""
    return "IPv6" if ":" in address else "IPv4"


def connections(targets: Iterable[str], own: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield, for each connection that a CA may make, the addresses of this machine of which one has to answer.

    `targets` are the addresses that a name has, `own` this machine's; canonical. One that is this machine's has to answer itself.
    Any other of IPv4 is most likely translated on the way, to whichever address of this machine; one of IPv6 leads elsewhere, and
    what answers there isn't known here.
    """
    there = list(dict.fromkeys(targets))
    yield from ((each,) for each in there if each in own)
    translated = tuple(each for each in own if family_of(each) == "IPv4")
    if translated and any(each not in own and family_of(each) == "IPv4" for each in there):
        yield translated
