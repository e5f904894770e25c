"""``chainwright ikev2``: certificates for the other sides of connections between sites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainwright import Part, Peer, PeerState, Purpose

if TYPE_CHECKING:
    from datetime import datetime

    from chainwright import Appliance

MODULE = "ikev2"
PURPOSES = (Purpose.SERVER, Purpose.CLIENT)
"""Either side of a connection may begin it."""
NOBODY = "No branch has a certificate yet. One is made by: chainwright ikev2 sign BRANCH REQUEST --name NAME"
PATH_PARTS = (Part.FULLCHAIN, Part.ROOT)

module_option = click.option(
    "--module", default=MODULE, show_default=True, metavar="NAME", help="Instance whose connection it is."
)
out_option = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file instead of stdout."
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
    @out_option
    def sign(branch: str, csr: Path, names: tuple[str, ...], module: str, out: Path | None) -> None:
        """Have the root sign the request CSR of BRANCH, for --name. Prints its certificate, and the root to trust."""
        appliance.sign(csr.read_bytes(), names, module=module, label=branch, purposes=PURPOSES)
        _deliver(appliance, branch, module, out)


def _add_list(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("list")
    @module_option
    def list_(module: str) -> None:
        """List the branches that have a certificate, and those that may still have one of an earlier root."""
        known, now = appliance.peers(module=module), appliance.now()
        rows = [(each, _of_earlier_roots(each, known, now)) for each in known if each.replaced_at is None]
        data = [{**_json(each, now), "earlier_roots": [_json(one, now) for one in earlier]} for each, earlier in rows]
        lines = [_line(each, now) + _and_earlier(earlier) for each, earlier in rows] or [NOBODY]
        appliance.answer({"peers": data}, lines)


def _add_show(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("show")
    @click.argument("branch")
    @module_option
    def show(branch: str, module: str) -> None:
        """Show every certificate of BRANCH, the newest first."""
        found = _certificates_of(appliance, branch, module)
        now = appliance.now()
        lines = chain.from_iterable(_lines(each, now) for each in found)
        appliance.answer({"peers": [_json(each, now) for each in found]}, lines)


def _add_export(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("export")
    @click.argument("branch")
    @module_option
    @out_option
    def export(branch: str, module: str, out: Path | None) -> None:
        """Print the present certificate of BRANCH, what leads to the root, and the root: all that goes to the branch."""
        _deliver(appliance, branch, module, out)


def _add_revoke(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("revoke")
    @click.argument("branch")
    @module_option
    def revoke(branch: str, module: str) -> None:
        """Revoke the certificate of BRANCH; the next apply has strongSwan refuse it."""
        found = appliance.revoke(_certificates_of(appliance, branch, module)[0].serial, module=module)
        lines = [*(f"revoked {each.serial}" for each in found), "strongSwan refuses it after: chainwright apply"]
        appliance.answer({"revoked": [each.serial for each in found]}, lines)


def _deliver(appliance: Appliance, branch: str, module: str, out: Path | None) -> None:
    """Print the present certificate of a branch with all that leads to the root, or write it."""
    peer = _certificates_of(appliance, branch, module)[0]
    pem = appliance.export(peer.serial, module=module, parts=PATH_PARTS)
    if out is not None:
        _write(out, pem)
    row = {**_json(peer, appliance.now()), "pem": pem.decode(), "file": str(out) if out else None}
    appliance.answer(row, [] if out else [pem.decode().rstrip("\n")])


def _certificates_of(appliance: Appliance, branch: str, module: str) -> list[Peer]:
    found = [peer for peer in appliance.peers(module=module) if peer.label == branch]
    if not found:
        raise click.UsageError(
            f'"{branch}" has no certificate; chainwright ikev2 list shows those that have, chainwright ikev2 sign makes one'
        )
    return found


def _of_earlier_roots(present: Peer, known: Iterable[Peer], now: datetime) -> list[Peer]:
    """Return what a branch may still have of other roots: signed for it before `present`, and not ended."""
    older = [each for each in known if each.label == present.label and each.root != present.root]
    return [each for each in older if each.state(now) is PeerState.REPLACED]


def _and_earlier(peers: Sequence[Peer]) -> str:
    if not peers:
        return ""
    until = max(each.not_after for each in peers)
    return f"; the branch may still have one of an earlier root, until {until:%Y-%m-%d}"


def _line(peer: Peer, now: datetime) -> str:
    state = peer.state(now)
    until = "" if state is PeerState.REVOKED else f" until {peer.not_after:%Y-%m-%d}"
    return f"{peer.label}  {', '.join(peer.names)}  {state}{until}"


def _write(path: Path, pem: bytes) -> None:
    try:
        path.write_bytes(pem)
    except OSError as error:
        raise click.FileError(str(path), hint=error.strerror) from None


def _lines(peer: Peer, now: datetime) -> list[str]:
    return [_line(peer, now), f"    serial {peer.serial}  sha256 {peer.sha256}  root {peer.root[:12]}"]


def _json(peer: Peer, now: datetime) -> dict[str, object]:
    return {
        "branch": peer.label,
        "names": list(peer.names),
        "serial": peer.serial,
        "sha256": peer.sha256,
        "root": peer.root,
        "until": f"{peer.not_after:%Y-%m-%dT%H:%M:%SZ}",
        "state": str(peer.state(now)),
    }
