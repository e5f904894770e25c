"""Checks of what a source delivers, before it is stored: one place for every source, a plugin's too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.errors.order import ChainRefused, ChainUnexpected
from agent.errors.wording import few
from agent.model.pause import back_off
from agent.system.text import printable

LONGEST_TEXT = 500

if TYPE_CHECKING:
    from agent.contract.source import Source
    from agent.engine.order_context import StoredOrderContext
    from agent.model.need import Request
    from agent.pki.chain import Chain
    from agent.pki.judgement import Judgement


def check_delivery(chain: Chain, source: Source, request: Request, context: StoredOrderContext) -> Judgement:
    """Return what clients make of a chain that is what was asked for.

    Raises `ChainUnexpected` where names, type of key or purpose are not those of `request`, and `ChainRefused` where no client
    would take it. What the appliance's own root signed is not refused: there is nothing below it that could serve instead.
    """
    authority = checked_text(source.authority)
    retry_at, detail = context.now() + back_off(context.attempts + 1), _described(chain)
    differences = list(differences_from(chain, request))
    if differences:
        raise ChainUnexpected(authority, source.name, "; ".join(differences), retry_at, detail)
    judgement = _judged(chain, request, context)
    if judgement.refused:
        raise ChainRefused(authority, source.name, judgement.refused[0].sentence, retry_at, detail)
    return judgement


def checked_text(text: object) -> str:
    """Return what a plugin says of itself or of a chain, fit to be kept and printed. Raises TypeError where it is no text."""
    if not isinstance(text, str):
        raise TypeError(f"a text was expected, not {type(text).__name__}")
    return printable(text, LONGEST_TEXT)


def differences_from(chain: Chain, request: Request) -> Iterator[str]:
    """Yield what makes a chain another one than was asked for. More names than those asked for do no harm."""
    missing = [name for name in sorted(request.names) if not chain.covers([name])]
    if missing:
        yield f"it does not name {few(missing)}"
    if chain.key_type is not request.key_type:
        yield f"its key is {chain.key_type}, not {request.key_type}"
    if request.purpose not in chain.purposes:
        yield f"it is not for {request.purpose}s (extended key usage)"


def _judged(chain: Chain, request: Request, context: StoredOrderContext) -> Judgement:
    from agent.pki.judge import judge
    from agent.pki.judgement import Judgement

    def judged(each: Chain) -> Judgement:
        anchors, names = context.anchors, sorted(request.names)
        return judge(
            each,
            purpose=request.purpose,
            now=context.now(),
            anchors=anchors,
            names=names,
            others=not context.signed(each),
        )

    is_own = context.signed(chain)
    if is_own and not _is_constrained(chain):
        return Judgement()
    found = judged(chain)
    if not found.refused:
        return found
    if is_own:
        return Judgement((), (*found.refused, *found.warnings))
    served = context.served
    return found.as_renewal_of(judged(served[0]), served[1]) if served else found


def _is_constrained(chain: Chain) -> bool:
    """Whether it depends on a chain's names what clients make of it.

    Otherwise all that the own root signs is alike, and what clients make of that is said of the root, once: a thousand chains
    are signed before the services start.
    """
    from cryptography.x509 import NameConstraints

    from agent.pki.certificate import extension

    issuers = (*chain.intermediates, *([chain.anchor] if chain.anchor else []))
    return any(extension(each, NameConstraints) is not None for each in issuers)


def _described(chain: Chain) -> str:
    names, until = few(chain.names), f"{chain.usable_until:%Y-%m-%d}"
    return f"serial number {chain.serial}, issued by {chain.issuer}, for {names or 'no name'}, until {until}"
