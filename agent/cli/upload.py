"""``chainwright upload``, ``uploads``, ``delete`` and ``export``: chains that come from outside, and chains that go out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.apply import perform
from agent.cli.chain_names import chain_named
from agent.cli.commands import Invocation, command
from agent.cli.confirmation import answer_lines, switch_lines
from agent.cli.output import columns, note, print_json
from agent.cli.words import shortened, when
from agent.errors.problem import rfc3339
from agent.errors.usage import FileUnwritable, InputUnreadable, PassphraseNeeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.inspection import Diagnosis, InputFile
    from agent.operations.operations import Switch

EXISTING = click.Path(exists=False, dir_okay=False, path_type=Path)
UPLOADED = "uploaded"


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
@click.argument("files", nargs=-1, required=True, type=EXISTING)
@click.option("--for", "for_name", default="", metavar="NAME", help="Refuse the chain unless it covers this name.")
@click.option("--key", type=EXISTING, help="The private key, where it stands in a file of its own.")
@click.option("--passphrase-file", type=EXISTING, help="Passphrase of an encrypted key or a PKCS#12 file.")
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
    from agent.engine.engine import Engine
    from agent.operations.operations import Operations

    diagnosis = _diagnose(invocation, [*files, *([key] if key else [])], passphrase_file)
    old = chain_named(invocation, replace, source=UPLOADED) if replace else None
    operations = Operations(Engine(invocation.layout, who="chainwright upload"))
    for finding in diagnosis.remarks:
        note(f"{finding.level}  {finding.sentence}")
    if dry_run:
        switches = operations.preview(diagnosis.chain, for_name=for_name, keep_unused=keep_unused)
        return _print_preview(invocation, diagnosis, switches)
    switches = operations.upload(diagnosis.chain, for_name=for_name, keep_unused=keep_unused)
    if old is not None:
        operations.delete(old, confirmed=True)
    for line in switch_lines(switches):
        note(line)
    return perform(invocation)


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
@click.option("--yes", is_flag=True, help="Delete it though modules use it: the next source takes over at once.")
@click.pass_obj
def delete(invocation: Invocation, chain: str, yes: bool) -> int:
    """Delete an uploaded chain, by its id or by one of its names."""
    from agent.engine.engine import Engine
    from agent.operations.operations import Operations

    chain_id = chain_named(invocation, chain, source=UPLOADED)
    operations = Operations(Engine(invocation.layout, who="chainwright delete"))
    for line in answer_lines(operations.chain_effects(chain_id)):
        note(line)
    for line in switch_lines(operations.delete(chain_id, confirmed=yes)):
        note(line)
    return perform(invocation)


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
@click.option("--passphrase-file", type=EXISTING, help="Passphrase that protects the PKCS#12 file.")
@click.option("--out", type=EXISTING, help="Write to a new file of mode 0600 instead of stdout.")
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
    from agent.pki.encoding import Format, Part, encode
    from agent.store import Store

    if (with_key or pkcs12) and out is None:
        raise click.UsageError("A private key is written to a file only: add --out FILE.")
    if pkcs12 and passphrase_file is None:
        raise PassphraseNeeded
    chain_id = chain_named(invocation, chain)
    with Store.open_existing(invocation.layout) as store:
        loaded = store.chains.load(chain_id)
        assert loaded is not None
    parts = [Part.KEY, Part.FULLCHAIN] if with_key or pkcs12 else [Part.FULLCHAIN]
    form = Format.PKCS12 if pkcs12 else Format.PEM
    data = encode(loaded, parts, form, password=passphrase_of(passphrase_file))
    _deliver(data, out, secret=with_key or pkcs12)


def pieces_of(files: Sequence[Path]) -> list[InputFile]:
    """Read files for the inspection. Raises `InputUnreadable`."""
    from agent.inspection import InputFile

    return [InputFile(path.name, _read(path)) for path in files]


def passphrase_of(path: Path | None) -> bytes | None:
    """Return the passphrase that stands in a file. Raises `InputUnreadable`."""
    return _read(path).rstrip(b"\r\n") if path else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputUnreadable(str(path), (error.strerror or str(error)).lower()) from error


def _diagnose(invocation: Invocation, files: Sequence[Path], passphrase_file: Path | None) -> Diagnosis:
    from agent.inspection import diagnose
    from agent.operations.known_anchors import known_anchors

    return diagnose(
        pieces_of(files),
        passphrase=passphrase_of(passphrase_file),
        anchors=known_anchors(invocation.layout),
        now=invocation.now(),
    )


def _print_preview(invocation: Invocation, diagnosis: Diagnosis, switches: Sequence[Switch]) -> int:
    rows: list[dict[str, Any]] = [
        {"module": each.module, "slot": each.slot, "before": each.before, "after": each.after, "reason": each.reason}
        for each in switches
    ]
    if invocation.as_json:
        findings = [{"level": str(each.level), "sentence": each.sentence} for each in diagnosis.remarks]
        chain = diagnosis.chain
        facts = {"id": chain.id, "names": list(chain.names), "issuer": chain.issuer}
        print_json({"chain": facts, "findings": findings, "switches": rows})
        return 0
    for line in switch_lines(switches) or ["No need would switch to it now."]:
        click.echo(line)
    click.echo("Nothing was stored.")
    return 0


def _deliver(data: bytes, out: Path | None, *, secret: bool) -> None:
    if out is None:
        click.echo(data, nl=False)
        return
    from agent.system.writing import write_new

    try:
        write_new(out.absolute(), data, mode=0o600 if secret else 0o644)
    except OSError as error:
        raise FileUnwritable(str(out), (error.strerror or str(error)).lower()) from error
