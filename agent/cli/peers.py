"""``chainwright root peers``, ``export``, ``crl`` and ``revoke``: what the root has signed, and what it takes back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.job import job_option, kept
from agent.cli.output import columns, note, print_json, width
from agent.cli.words import shortened, when
from agent.errors.root import ListMissing, PeerUnknown, RootMissing
from agent.errors.usage import ConfirmationFlagMissing, FileUnwritable
from agent.pki.revocation import RevocationList, RevocationReason
from agent.report.peers import ListRow, PeerRow, list_row, peer_rows
from agent.report.rows import plain
from agent.store import Store

if TYPE_CHECKING:
    from agent.operations.revocation import Signed

FILE = click.Path(dir_okay=False, path_type=Path)


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
    from agent.model.peer import serial_of

    with Store.open_read_only(invocation.layout) as view:
        peer = view.peers.find(serial_of(serial))
        if peer is None:
            raise PeerUnknown(serial)
        pem = view.peers.certificates(peer.sha256)
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
    """Write the list of what the root has revoked (RFC 5280), for whoever believes what it has signed."""
    if der and out is None:
        raise click.UsageError("DER is written to a file only: add --out FILE.")
    with Store.open_read_only(invocation.layout) as view:
        found, row = _list_of(view, sha256.lower())
    _deliver(invocation, found.pem, out, found.der if der else b"", **plain(row))


def _list_of(view: Store, sha256: str) -> tuple[RevocationList, ListRow]:
    roots = [each for each in view.roots.all() if (each.sha256.startswith(sha256) if sha256 else not each.retired_at)]
    if not roots:
        raise RootMissing
    row = list_row(view, roots[0].sha256)
    if row is None:
        raise ListMissing(roots[0].subject)
    return view.revocations.lists()[row.root], row


@command(
    "revoke",
    example="""
$ chainwright root revoke 5d0c66a13e --reason keyCompromise --yes
ikev2/branch-1 is not believed any more: branch1.example.com
Done: 2 actions.
""",
)
@click.argument("serial")
@click.option(
    "--reason",
    type=click.Choice([str(each) for each in RevocationReason]),
    default=str(RevocationReason.UNSPECIFIED),
    show_default=True,
    help="Stands in the list.",
)
@click.option("--yes", is_flag=True, help="It can't be undone.")
@job_option()
@click.pass_obj
def revoke(invocation: Invocation, serial: str, reason: str, yes: bool, job: str) -> int:
    """Revoke what the root has signed: a peer certificate, or a local chain, in whose place a new one is made.

    SERIAL is the certificate's serial number. A peer certificate is revoked with those that it has replaced. The root's
    new list is given to the modules that use it; other devices need it from `chainwright root crl`.
    """
    from agent.cli.apply import perform
    from agent.cli.confirmation import answer_lines, switch_lines
    from agent.engine.engine import Engine
    from agent.operations.revocation import Revoker

    with kept(invocation, job) as ending:
        revoker = Revoker(Engine(invocation.layout, who="chainwright root revoke"))
        found = revoker.preview(serial)
        for line in [_what(found), *answer_lines(found.answers), *switch_lines(found.switches)]:
            note(line)
        if not yes:
            raise ConfirmationFlagMissing("--yes")
        revoker.revoke(serial, RevocationReason(reason))
        return ending(perform(invocation, job=job))


def _what(found: Signed) -> str:
    what = found.peer or "The local chain"
    return f"{what} is not believed any more: {', '.join(found.names)}"


def _deliver(invocation: Invocation, pem: str, out: Path | None, der: bytes = b"", **about: object) -> None:
    if out is not None:
        _write(out, der or pem.encode())
        note(f"Written: {out}")
    if invocation.as_json:
        print_json({**about, "pem": pem, "file": str(out) if out else None})
    elif out is None:
        click.echo(pem, nl=False)


def _write(path: Path, data: bytes) -> None:
    from agent.system.writing import replace

    try:
        replace(path.absolute(), data, mode=0o644)
    except OSError as error:
        raise FileUnwritable(str(path), (error.strerror or str(error)).lower()) from error
