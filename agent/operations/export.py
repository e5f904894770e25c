"""Export of a chain, with its key behind a passphrase."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from agent.auth.audit_log import AuditLog
from agent.auth.person import Actor
from agent.errors.operations import PassphraseRefused
from agent.errors.usage import UnknownChain
from agent.store import Store
from agent.system.layout import Layout

if TYPE_CHECKING:
    from agent.pki.encoding import Format, Part

SHORTEST_PASSPHRASE = 12
"""Characters: a file is guessed at elsewhere, where nobody counts."""
LONGEST_PASSPHRASE = 256
FEWEST_DIFFERENT = 4


def export_chain(
    layout: Layout,
    chain: str,
    parts: Sequence[Part],
    form: Format,
    password: bytes | None = None,
    *,
    actor: Actor,
    now: datetime,
) -> bytes:
    """Return parts of a chain as a file; one with its key is in the audit record before `actor` has it.

    What takes long is done without the store. Raises `UnknownChain`, `PassphraseRefused`, `NotEncodable` and `StoreError`.
    """
    from agent.pki.encoding import Format, Part, encode

    if form is Format.PKCS12 and Part.KEY in parts:
        check_passphrase(password or b"")
    with Store.open_existing(layout) as store:
        found = store.chains.load(chain)
        if found is None:
            raise UnknownChain(chain, ())
        if Part.KEY in parts:
            with store.write():
                AuditLog(store).note(actor, now, "key exported", ", ".join(found.names[:3]), chain)
    return encode(found, parts, form, password=password)


def check_passphrase(passphrase: bytes) -> None:
    """Raise `PassphraseRefused` unless a passphrase can be all that protects a file."""
    try:
        text = passphrase.decode()
    except UnicodeDecodeError:
        raise PassphraseRefused("it is not UTF-8") from None
    if len(text) < SHORTEST_PASSPHRASE:
        raise PassphraseRefused(f"it has {len(text)} characters, and at least {SHORTEST_PASSPHRASE} are needed")
    if len(text) > LONGEST_PASSPHRASE:
        raise PassphraseRefused(f"it has {len(text)} characters, and at most {LONGEST_PASSPHRASE} are allowed")
    if len(set(text)) < FEWEST_DIFFERENT:
        raise PassphraseRefused("it would be guessed at once")
