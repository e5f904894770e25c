"""``chainwright root peers``, ``export``, ``crl`` and ``revoke``: certificates that the root has signed, and their revocation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.confirmation import consequence_lines, switch_lines
from agent.cli.files import FILE, write_file
from agent.cli.output import columns, note, print_json, width
from agent.cli.words import shortened
from agent.errors.usage import ConfirmationFlagMissing
from agent.operations.peers import export_peer, find_peer, revocation_list
from agent.pki.revocation import RevocationReason
from agent.report.peers import PeerRow, list_row, peer_rows
from agent.report.rows import plain
from agent.store import Store
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.operations.effects import RevocationEffects


@command(
    "peers",
    example="""
$ chainwright root peers
SERIAL      PEER            NAMES                FOR             UNTIL        STATE
5d0c66a13e  ikev2/branch-1  branch1.example.com  server, client  in 397 days  good
""",
)
@click.pass_obj
def peers(invocation: Invocation) -> None:
    """List the certificates that the root has signed for others: each is signed again in time and when the root changes."""
    now = invocation.now()
    with Store.open_read_only(invocation.layout) as view:
        found = peer_rows(view, now)
    if invocation.as_json:
        print_json({"peers": plain(found)})
        return
    if not found:
        note("The root has signed nothing for others.")
        return
    table = [["SERIAL", "PEER", "NAMES", "FOR", "UNTIL", "STATE"]]
    table += [
        [
            each.serial,
            f"{each.module}/{each.label}",
            shortened(each.names),
            ", ".join(each.purposes),
            when(each.not_after, now),
            _state(each),
        ]
        for each in found
    ]
    for line in columns(table, width()):
        click.echo(line)
    for each in found:
        if each.problem:
            note(f"{each.module}/{each.label} could not be signed again: {each.problem.cause}")


def _state(row: PeerRow) -> str:
    return f"{row.state}: {row.reason}" if row.reason else str(row.state)


@command(
    "export",
    example="""
$ chainwright root export 5d0c66a13e --out branch-1.pem
""",
)
@click.argument("serial")
@click.option("--out", type=FILE, help="Write to a file instead of stdout.")
@click.pass_obj
def export(invocation: Invocation, serial: str, out: Path | None) -> None:
    """Write the certificate with this serial number as PEM: itself, what leads to the root, and the root."""
    with Store.open_read_only(invocation.layout) as view:
        peer = find_peer(view, serial)
        pem = export_peer(view, peer).decode()
    _deliver(invocation, pem, out, serial=peer.serial)


@command(
    "crl",
    example="""
$ chainwright root crl --der --out root.crl
""",
)
@click.option("--of", "sha256", default="", metavar="SHA256", help="An earlier root's; its beginning is enough.")
@click.option("--der", is_flag=True, help="Write DER instead of PEM; needs --out.")
@click.option("--out", type=FILE, help="Write to a file instead of stdout.")
@click.pass_obj
def crl(invocation: Invocation, sha256: str, der: bool, out: Path | None) -> None:
    """Write the list of what the root has revoked (RFC 5280), for clients that verify what it has signed."""
    if der and out is None:
        raise click.UsageError("DER is written to a file only: add --out FILE.")
    with Store.open_read_only(invocation.layout) as view:
        found = revocation_list(view, sha256.lower())
        row = list_row(view, found.root)
    _deliver(invocation, found.pem, out, found.der if der else b"", **plain(row))


@command(
    "revoke",
    example="""
$ chainwright root revoke 5d0c66a13e --reason keyCompromise --yes
ikev2/branch-1 will no longer be trusted: branch1.example.com
Done: 2 actions.
""",
)
@click.argument("serial")
@click.option(
    "--reason",
    type=click.Choice([str(each) for each in RevocationReason]),
    default=str(RevocationReason.UNSPECIFIED),
    show_default=True,
    help="Stored in the list.",
)
@click.option("--yes", is_flag=True, help="It can't be undone.")
@click.pass_obj
def revoke(invocation: Invocation, serial: str, reason: str, yes: bool) -> int:
    """Revoke what the root has signed: a peer certificate, or a local chain, in whose place a new one is made.

    SERIAL is the certificate's serial number. A peer certificate is revoked with those that it has replaced. The root's
    new list is given to the modules that use it; other devices need it from `chainwright root crl`.
    """
    from agent.cli.apply import perform
    from agent.operations.aims import aim_at
    from agent.operations.revocation import revocation_effects, revoke_signed

    with invocation.locked_state("root revoke") as state:
        found = revocation_effects(state, serial)
        for line in [_what(found), *consequence_lines(found), *switch_lines(found.switches)]:
            note(line)
        if not yes:
            raise ConfirmationFlagMissing("--yes")
        switches = revoke_signed(state, serial, RevocationReason(reason))
    before = tuple(each.before for each in switches if each.before)
    return perform(invocation, aim=aim_at(switches, instead_of=before))


def _what(found: RevocationEffects) -> str:
    what = found.peer or "The local chain"
    return f"{what} will no longer be trusted: {', '.join(found.names)}"


def _deliver(invocation: Invocation, pem: str, out: Path | None, der: bytes = b"", **about: object) -> None:
    if out is not None:
        write_file(out, der or pem.encode())
        note(f"Written: {out}")
    if invocation.as_json:
        print_json({**about, "pem": pem, "file": str(out) if out else None})
    elif out is None:
        click.echo(pem, nl=False)
