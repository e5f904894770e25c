"""``chainwright ikev2``: certificates for the other sides of connections between sites."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent import Part, Peer, PeerState, Purpose

if TYPE_CHECKING:
    from agent import Appliance

MODULE = "ikev2"
PURPOSES = (Purpose.SERVER, Purpose.CLIENT)
"""Either side of a connection may begin it."""
PATH_PARTS = (Part.FULLCHAIN, Part.ROOT)

module_option = click.option(
    "--module", default=MODULE, show_default=True, metavar="NAME", help="Instance whose connection it is."
)
output_option = click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file in place of the terminal."
)


def add_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add them all."""
    _add_sign(commands, appliance)
    _add_list(commands, appliance)
    _add_show(commands, appliance)
    _add_export(commands, appliance)
    _add_revoke(commands, appliance)


def _add_sign(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("sign")
    @click.argument("branch")
    @click.argument("csr", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option(
        "--name",
        "names",
        multiple=True,
        required=True,
        help="Name or address of the branch: `peer` in the settings.",
    )
    @module_option
    @output_option
    def sign(branch: str, csr: Path, names: tuple[str, ...], module: str, output: Path | None) -> None:
        """Have the root sign the request CSR of BRANCH, for --name. Prints its certificate, and the root to trust."""
        appliance.sign(csr.read_bytes(), names, module=module, label=branch, purposes=PURPOSES)
        _write(_exported(appliance, branch, module), output)


def _add_list(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("list")
    @module_option
    def list_(module: str) -> None:
        """List the branches that have a certificate."""
        for peer in appliance.peers(module=module):
            if peer.replaced_at is None:
                click.echo(_line(peer))


def _add_show(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("show")
    @click.argument("branch")
    @module_option
    def show(branch: str, module: str) -> None:
        """Show every certificate of BRANCH, the newest first."""
        for peer in _certificates_of(appliance, branch, module):
            click.echo(_line(peer))
            click.echo(f"    serial {peer.serial}  sha256 {peer.sha256}  root {peer.root[:12]}")


def _add_export(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("export")
    @click.argument("branch")
    @module_option
    @output_option
    def export(branch: str, module: str, output: Path | None) -> None:
        """Print the present certificate of BRANCH, what leads to the root, and the root: all that goes to the branch."""
        _write(_exported(appliance, branch, module), output)


def _add_revoke(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("revoke")
    @click.argument("branch")
    @module_option
    def revoke(branch: str, module: str) -> None:
        """Revoke the certificate of BRANCH; the next apply has strongSwan refuse it."""
        for peer in appliance.revoke(_present(appliance, branch, module).serial, module=module):
            click.echo(f"revoked {peer.serial}")
        click.echo("strongSwan refuses it after: chainwright apply")


def _exported(appliance: Appliance, branch: str, module: str) -> bytes:
    return appliance.export(_present(appliance, branch, module).serial, module=module, parts=PATH_PARTS)


def _present(appliance: Appliance, branch: str, module: str) -> Peer:
    return _certificates_of(appliance, branch, module)[0]


def _certificates_of(appliance: Appliance, branch: str, module: str) -> list[Peer]:
    found = [peer for peer in appliance.peers(module=module) if peer.label == branch]
    if not found:
        raise click.UsageError(
            f'"{branch}" has no certificate; chainwright ikev2 list shows those that have, chainwright ikev2 sign makes one'
        )
    return found


def _line(peer: Peer) -> str:
    state = peer.state(datetime.now(UTC))
    until = "" if state is PeerState.REVOKED else f" until {peer.not_after:%Y-%m-%d}"
    return f"{peer.label}  {', '.join(peer.names)}  {state}{until}"


def _write(pem: bytes, output: Path | None) -> None:
    if output is None:
        click.echo(pem.decode().rstrip("\n"))
    else:
        output.write_bytes(pem)
