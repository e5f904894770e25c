"""Which of the chains that a CA offers for one certificate is taken (RFC 8555 section 7.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from agent.pki.certificate import short
from agent.pki.chain import Chain
from agent.sources.acme.delivery_checks import NotAsOrdered

DEFAULT, SHORTEST = "default", "shortest"


def preferred(
    wish: str, default: Chain, alternates: Sequence[str], download: Callable[[str], Chain]
) -> tuple[Chain, str]:
    """Return the chain that fulfils `wish`, and what is to be said where none does.

    `wish` is "default", "shortest", or the common name of the issuer at the top. Each of `alternates`, URLs, is downloaded
    when it's looked at; one that raises `NotAsOrdered` is not taken.
    """
    if wish == DEFAULT or leads_to(default, wish):
        return default, ""
    others = _downloaded(alternates, download)
    if wish == SHORTEST:
        return min((default, *others), key=lambda chain: len(chain.intermediates)), ""
    found = next((chain for chain in others if leads_to(chain, wish)), None)
    return (found, "") if found else (default, f"no chain leads to {wish}, so the CA's own choice is taken")


def leads_to(chain: Chain, issuer: str) -> bool:
    """Whether the issuer above the last certificate that is sent has that common name."""
    return short(chain.presented[-1].issuer) == issuer


def _downloaded(alternates: Sequence[str], download: Callable[[str], Chain]) -> Iterator[Chain]:
    for url in alternates:
        try:
            yield download(url)
        except NotAsOrdered:
            continue
