"""``chainwright root``: the CA that signs the local chains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli import peers
from agent.cli.commands import CommandGroup, Invocation
from agent.cli.confirmation import confirm_root, effect_lines
from agent.cli.files import FILE, write_file
from agent.cli.output import columns, note, print_json
from agent.cli.root_steps import begin, of_option, phase_text, retire, root_json, successor_rows
from agent.cli.words import counted
from agent.errors.problem import rfc3339
from agent.errors.root import RootMissing
from agent.model.root import RootPhase, published
from agent.report import read_snapshot
from agent.report.rows import plain
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.model.root import RootRecord
    from agent.operations.effects import RootEffects
    from agent.report import Snapshot


now_option = click.option("--now", "at_once", is_flag=True, help="Sign with it at once, without an overlap.")


@click.group(
    "root", cls=CommandGroup, epilog="\b\nExample:\n  $ chainwright root download >root.pem", no_args_is_help=True
)
def root() -> None:
    """Show or replace the root that signs the local chains, and manage what else it has signed."""


@root.command(
    "show",
    example="""
$ chainwright root show
subject   gw Root CA
SHA-256   bf2c5c5fbcf50c4d...
valid     until 2036-11-20T11:52:47Z (in 3650 days)
signs     4 chains in use
""",
)
@click.pass_obj
def show(invocation: Invocation) -> None:
    """Show the root's subject, fingerprint and end, and the other roots that are believed."""
    now = invocation.now()
    snapshot = read_snapshot(invocation.layout, now)
    found = _present(snapshot)
    in_use = {binding.chain for binding in snapshot.bindings}
    made = [record for record in snapshot.chains if record.root == found.sha256 and record.id in in_use]
    if invocation.as_json:
        others = [root_json(each) for each in snapshot.roots if each.believed and each.sha256 != found.sha256]
        print_json({"root": {**root_json(found), "signs": len(made)}, "others": others})
        return
    rows = [
        ["subject", found.subject],
        ["SHA-256", found.sha256],
        ["valid", f"from {rfc3339(found.not_before)}"],
        ["", f"until {rfc3339(found.not_after)} ({when(found.not_after, now)})"],
        ["signs", f"{counted(len(made), 'chain')} in use"],
        *successor_rows(snapshot, now),
    ]
    for line in columns(rows):
        click.echo(line)


@root.command(
    "download",
    example="""
$ chainwright root download >root.pem
$ curl --cacert root.pem https://gw:8443/
$ chainwright root download --cross >cross.pem
$ openssl verify -CAfile known-root.pem -untrusted cross.pem branch-1.pem
""",
)
@click.option(
    "--cross", is_flag=True, help="Certificates of the roots by each other instead, which are not for trusting."
)
@click.option("--out", type=FILE, help="Write to a file instead of stdout.")
@click.pass_obj
def download(invocation: Invocation, cross: bool, out: Path | None) -> None:
    """Print the root's certificate as PEM, and nothing else, for clients that are to trust it.

    The one that signs for other keys follows, and while another root is prepared, that: give clients all. A root that was
    issued by another authority is followed by the certificates above it.
    With --cross: what leads who knows one of the roots alone to the others.
    """
    from agent.report.cross_certificates import cross_pem

    now = invocation.now()
    snapshot = read_snapshot(invocation.layout, now)
    found = _present(snapshot)
    pem = cross_pem(snapshot.roots, snapshot.crosses, now) if cross else published(snapshot.roots)
    if out is not None:
        write_file(out, pem.encode())
        note(f"{found.subject}: {out}")
    if invocation.as_json:
        print_json({"sha256": found.sha256, "pem": pem, "file": str(out) if out else None})
    elif out is None:
        click.echo(pem, nl=False)


def _present(snapshot: Snapshot) -> RootRecord:
    if snapshot.root is None:
        raise RootMissing
    return snapshot.root


@root.command(
    "list",
    example="""
$ chainwright root list
  SHA-256       SUBJECT     UNTIL       STATE
* bf2c5c5fbcf5  gw Root CA  2036-11-20  signs
  77d0be0a1c55  gw Root CA  2036-11-20  replaced 2026-11-23
""",
)
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List the roots that sign, the next ones where they are prepared, and those before."""
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store:
        found = store.roots.all()
    if invocation.as_json:
        print_json({"roots": [root_json(each) for each in found]})
        return
    table = [["", "SHA-256", "SUBJECT", "UNTIL", "STATE"]]
    for each in found:
        mark = "*" if each.phase is RootPhase.SIGNING else " "
        table.append([mark, each.sha256[:12], each.subject, f"{each.not_after:%Y-%m-%d}", phase_text(each)])
    for line in columns(table):
        click.echo(line)


@root.command(
    "reissue",
    example="""
$ chainwright root reissue --dry-run
$ chainwright root reissue
From 2027-03-01 on the new root signs. Who knows only the old one takes what it signs, by a cross-certificate.
2 local chains will be signed again and deployed: reverse_proxy/www.example.com, webui/address.
Type REISSUE to go on:
""",
)
@now_option
@of_option
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option("--yes-reissue-root", "confirmed", is_flag=True, help="Don't ask; for scripts.")
@click.pass_obj
def reissue(invocation: Invocation, at_once: bool, of: str, dry_run: bool, confirmed: bool) -> int:
    """Make a new root, which signs after an overlap in which clients are given it. What breaks is listed first, by name.

    With --now it signs the local chains again in this run, and the one before is believed no longer. Of two roots the main one is
    followed by another one, unless --of names the other.
    """
    from agent.cli.apply import perform
    from agent.operations.root import is_beside, reissue_root, root_aim, root_effects

    with invocation.locked_state("root reissue") as state:
        beside = is_beside(state, of)
        effects = root_effects(state, at_once=at_once, beside=beside)
    if dry_run:
        return _print_effects(invocation, effects)
    confirm_root(effects, word="REISSUE", flag="--yes-reissue-root", given=confirmed)
    with invocation.locked_state("root reissue") as state:
        aim = root_aim(state, beside=beside) if effects.signs_at is None else None
        made = reissue_root(state, at_once=at_once, beside=beside)
    note(f"New root: {made.subject}, SHA-256 {made.sha256}")
    return perform(invocation, aim=aim)


@root.command(
    "upload",
    example="""
$ chainwright root upload company-ca.pem --key company-ca.key
New root: Example Company CA
Type REPLACE to go on:
""",
)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--key", type=FILE, help="The root's private key.")
@click.option("--passphrase-file", type=FILE, help="Passphrase of the key.")
@now_option
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option("--yes-replace-root", "confirmed", is_flag=True, help="Don't ask; for scripts.")
@click.pass_obj
def upload(
    invocation: Invocation,
    files: tuple[Path, ...],
    key: Path | None,
    passphrase_file: Path | None,
    at_once: bool,
    dry_run: bool,
    confirmed: bool,
) -> int:
    """Replace the root by one of your own: self-signed, or a company's subordinate authority with its parents.

    It signs after an overlap in which clients are given it, with --now in this run.
    """
    from agent.cli.apply import perform
    from agent.cli.files import input_files, passphrase_of
    from agent.inspection import inspect_root
    from agent.operations.root import root_aim, upload_effects, upload_root, uploads_beside

    given = input_files([*files, *([key] if key else [])])
    found = inspect_root(given, passphrase=passphrase_of(passphrase_file), now=invocation.now())
    note(f"New root: {found.subject}, until {found.not_after:%Y-%m-%d}, SHA-256 {found.sha256}")
    with invocation.locked_state("root upload") as state:
        effects = upload_effects(state, found, at_once=at_once)
    if dry_run:
        return _print_effects(invocation, effects, subject=found.subject, sha256=found.sha256)
    confirm_root(effects, word="REPLACE", flag="--yes-replace-root", given=confirmed)
    with invocation.locked_state("root upload") as state:
        aim = root_aim(state, beside=uploads_beside(state, found)) if effects.signs_at is None else None
        upload_root(state, found, at_once=at_once)
    return perform(invocation, aim=aim)


def _print_effects(invocation: Invocation, effects: RootEffects, **about: str) -> int:
    if invocation.as_json:
        print_json({**about, "effects": plain(effects)})
        return 0
    for line in [*effect_lines(effects), "Nothing was changed."]:
        click.echo(line)
    return 0


for _each in (begin, retire, peers.peers, peers.export, peers.crl, peers.revoke):
    root.add_command(_each)
