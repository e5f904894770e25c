"""Which of the chains that a CA offers for one certificate is taken (RFC 8555 section 7.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from agent.pki.certificate import short
from agent.pki.chain import Chain
from agent.sources.acme.delivered_chain import Delivered, NotAsOrdered

DEFAULT, SHORTEST = "default", "shortest"


def preferred(
    wish: str, default: Delivered, alternates: Sequence[str], download: Callable[[str], Delivered]
) -> tuple[Delivered, bool]:
    """Return the chain that fulfils `wish`, and whether there is one.

    `wish` is "default", "shortest", or the common name of the issuer at the top. Each of `alternates`, URLs, is downloaded
    when it's looked at; one that raises `NotAsOrdered` is not taken. Without another wish, or where no chain fulfils it, the
    first whose top is known on this machine is taken, and the CA's own choice where none is.
    """
    others = _downloaded(alternates, download)
    if wish == DEFAULT:
        return _first_known(default, others), True
    if wish == SHORTEST:
        return min((default, *others), key=lambda each: (not each.known, len(each.chain.intermediates))), True
    looked_at: list[Delivered] = []
    for each in chain([default], others):
        if leads_to(each.chain, wish):
            return each, True
        looked_at.append(each)
    return _first_known(default, looked_at), False


def leads_to(found: Chain, issuer: str) -> bool:
    """Whether the issuer above the last certificate that is sent has that common name."""
    return short(found.presented[-1].issuer) == issuer


def _first_known(default: Delivered, others: Iterable[Delivered]) -> Delivered:
    return default if default.known else next((each for each in others if each.known), default)


def _downloaded(alternates: Sequence[str], download: Callable[[str], Delivered]) -> Iterator[Delivered]:
    for url in alternates:
        try:
            yield download(url)
        except NotAsOrdered:
            continue
