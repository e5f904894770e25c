"""``chainwright upload``, ``uploads``, ``delete`` and ``export``: uploaded chains, and chains as files."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.apply import perform
from agent.cli.chain_names import chain_named
from agent.cli.commands import Invocation, command
from agent.cli.confirmation import consequence_lines, outranked_lines, switch_lines
from agent.cli.files import FILE, input_files, passphrase_of, write_file
from agent.cli.output import columns, note, print_json
from agent.cli.words import shortened
from agent.errors.problem import rfc3339
from agent.errors.usage import PassphraseNeeded
from agent.model.records import UPLOADED
from agent.operations.aims import aim_at
from agent.operations.consequences import chain_effects
from agent.operations.export import export_chain
from agent.operations.pins import pinned_for
from agent.operations.uploads import (
    check_upload,
    delete_upload,
    diagnose_upload,
    store_upload,
    upload_preview,
)
from agent.report.rows import plain
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.operations.uploads import UploadPreview

NOT_USED = "No module uses it now."


@command(
    "upload",
    example="""
$ chainwright upload portal.pem --for portal.example.com
ok  the key matches
ok  the chain is complete
web_auth/default: uploaded, covers portal.example.com
Done: 1 action.
""",
)
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--for", "for_name", default="", metavar="NAME", help="Refuse the chain unless it covers this name.")
@click.option("--key", type=FILE, help="The private key, where it is in a file of its own.")
@click.option("--passphrase-file", type=FILE, help="Passphrase of an encrypted key or a PKCS#12 file.")
@click.option("--keep-unused", is_flag=True, help="Keep the chain though no module needs it.")
@click.option("--replace", metavar="CHAIN", help="Delete this uploaded chain once the new one is stored.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, storing nothing.")
@click.pass_obj
def upload(
    invocation: Invocation,
    files: tuple[Path, ...],
    for_name: str,
    key: Path | None,
    passphrase_file: Path | None,
    keep_unused: bool,
    replace: str | None,
    dry_run: bool,
) -> int:
    """Upload a chain that was bought elsewhere: PEM in any order, DER, PKCS#7 or PKCS#12, in one file or several."""
    given, passphrase = input_files([*files, *([key] if key else [])]), passphrase_of(passphrase_file)
    diagnosis = diagnose_upload(
        invocation.layout, given, passphrase=passphrase, now=invocation.now(), for_name=for_name
    )
    old = chain_named(invocation, replace, source=UPLOADED) if replace else ""
    for finding in diagnosis.remarks:
        note(f"{finding.level}  {finding.sentence}")
    change = check_upload if dry_run else partial(store_upload, warnings=diagnosis.warnings)
    with invocation.locked_state("upload") as state:
        effects = change(state, diagnosis.chain, for_name=for_name, keep_unused=keep_unused, replace=old)
    if dry_run:
        return _print_preview(invocation, upload_preview(diagnosis, effects))
    chain = diagnosis.chain
    stored = f"Stored as {chain.id[:12]}: {shortened(chain.names, 3)}, until {chain.usable_until:%Y-%m-%d}."
    used = [*switch_lines(effects.switches), *outranked_lines(chain.id, effects.outranked)]
    for line in [stored, *(used or [NOT_USED])]:
        note(line)
    switches = [each for each in effects.switches if each.after == chain.id]
    about = {"stored": chain.id, "switches": plain(effects.switches), "outranked": plain(effects.outranked)}
    return perform(invocation, aim=aim_at(switches, chain.id), about=about)


@command(
    "uploads",
    example="""
$ chainwright uploads
ID            NAMES          ISSUER      EXPIRES
3f2ac5519d0e  *.example.com  Example CA  in 262 days
""",
)
@click.pass_obj
def uploads(invocation: Invocation) -> None:
    """List the uploaded chains."""
    from agent.report import read_snapshot

    now = invocation.now()
    found = [record for record in read_snapshot(invocation.layout, now).chains if record.source == UPLOADED]
    if invocation.as_json:
        rows = [{"id": each.id, "names": list(each.names), "not_after": rfc3339(each.not_after)} for each in found]
        print_json({"uploaded": rows})
        return
    if not found:
        note("Nothing uploaded. Chains are made automatically; upload one only if you bought it elsewhere.")
        return
    table = [["ID", "NAMES", "ISSUER", "EXPIRES"]]
    table += [[each.id[:12], shortened(each.names), each.issuer, when(each.not_after, now)] for each in found]
    for line in columns(table):
        click.echo(line)


@command(
    "delete",
    example="""
$ chainwright delete 3f2ac5519d0e --yes
web_auth/default: local by design: no other source is configured
Done: 1 action.
""",
)
@click.argument("chain")
@click.option("--yes", is_flag=True, help="Don't ask; where modules use it, the next source takes over at once.")
@click.pass_obj
def delete(invocation: Invocation, chain: str, yes: bool) -> int:
    """Delete an uploaded chain, by its id or by one of its names.

    Its only key goes with it, so one that nobody uses is asked for on a terminal.
    """
    found = chain_named(invocation, chain, source=UPLOADED)
    confirmed = yes or _agreed(invocation, found)
    with invocation.locked_state("delete") as state:
        for line in consequence_lines(chain_effects(state, found)):
            note(line)
        pinned = pinned_for(state, found)
        switches = delete_upload(state, found, confirmed=confirmed)
    pins = [f"Its pin for {', '.join(pinned)} is gone with it."] if pinned else []
    for line in [f"Deleted {found[:12]}, with its key.", *pins, *switch_lines(switches)]:
        note(line)
    return perform(invocation, aim=aim_at(switches, instead_of=(found,)), about={"deleted": found})


def _agreed(invocation: Invocation, chain: str) -> bool:
    """Ask on a terminal whether a chain that nobody uses is to be deleted. What is used needs ``--yes`` anyway."""
    if not sys.stdin.isatty():
        return False
    with invocation.locked_state("delete") as state:
        record, used = state.known(chain), state.without(chain)
    question = f"Delete the chain {chain[:12]} for {shortened(record.names, 3)}? Its only key goes with it"
    return not used and click.confirm(question, err=True)


@command(
    "export",
    example="""
$ chainwright export portal.example.com >chain.pem
$ chainwright export portal.example.com --pkcs12 --passphrase-file secret.txt --out portal.p12
""",
)
@click.argument("chain")
@click.option("--with-key", is_flag=True, help="Put the private key into the PEM file; needs --out.")
@click.option("--pkcs12", is_flag=True, help="Write PKCS#12 with the key; needs --out and --passphrase-file.")
@click.option("--passphrase-file", type=FILE, help="Passphrase that protects the PKCS#12 file: at least 12 characters.")
@click.option("--out", type=FILE, help="Write to a new file of mode 0600 instead of stdout.")
@click.pass_obj
def export(
    invocation: Invocation,
    chain: str,
    with_key: bool,
    pkcs12: bool,
    passphrase_file: Path | None,
    out: Path | None,
) -> None:
    """Write a chain as PEM, or with its key as PKCS#12. CHAIN is an id or a name."""
    from agent.pki.encoding import Format, Part

    if (with_key or pkcs12) and out is None:
        raise click.UsageError("A private key is written to a file only: add --out FILE.")
    if pkcs12 and passphrase_file is None:
        raise PassphraseNeeded
    found, secret = chain_named(invocation, chain), with_key or pkcs12
    parts = [Part.KEY, Part.FULLCHAIN] if secret else [Part.FULLCHAIN]
    form = Format.PKCS12 if pkcs12 else Format.PEM
    data = export_chain(
        invocation.layout,
        found,
        parts,
        form,
        passphrase_of(passphrase_file),
        actor=invocation.actor(),
        now=invocation.now(),
    )
    if out is None:
        click.echo(data, nl=False)
    else:
        write_file(out, data, mode=0o600 if secret else 0o644, new=True)


def _print_preview(invocation: Invocation, found: UploadPreview) -> int:
    if invocation.as_json:
        row = plain(found)
        chain = {key: row[key] for key in ("id", "names", "issuer")}
        print_json(
            {"chain": chain, "findings": row["findings"], "switches": row["switches"], "outranked": row["outranked"]}
        )
        return 0
    for line in switch_lines(found.switches) or [NOT_USED]:
        click.echo(line)
    for line in outranked_lines(found.id, found.outranked):
        click.echo(line)
    click.echo("Nothing was stored.")
    return 0
