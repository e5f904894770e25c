"""``chainwright backup`` and ``restore``: the whole appliance in one encrypted file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.commands import WAIT, Invocation, command
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.files import FILE, passphrase_of
from agent.cli.output import columns, note, print_json
from agent.cli.words import counted
from agent.errors.backup import BackupPassphraseNeeded

if TYPE_CHECKING:
    from agent.backup.manifest import Manifest
    from agent.backup.restoring import Restored

STDOUT = Path("-")
WORDS = {
    "accounts": "ACME account key",
    "chains": "chain",
    "peers": "peer certificate",
    "people": "user",
    "roots": "root",
    "tokens": "token",
    "uploads": "upload",
}


@command(
    "backup",
    example="""
$ chainwright backup /root/gateway.backup
Passphrase:
Once more:
/root/gateway.backup: 12 chains, 1 root, 1 ACME account key, 3 users
""",
)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--passphrase-file", type=FILE, help="Passphrase of the file; default: it is asked for.")
@click.pass_obj
def backup(invocation: Invocation, file: Path, passphrase_file: Path | None) -> int:
    """Write settings and state with every key to FILE, encrypted with a passphrase; "-" is standard output.

    Who has the file and its passphrase has every private key. Exit code 3: something of the settings was left out.
    """
    if file == STDOUT and sys.stdout.isatty():
        raise click.UsageError("A backup isn't written to a terminal: name a file.")
    from agent.backup.making import STANDARD_OUTPUT, make_backup, new_file, standard_output
    from agent.operations.export import check_passphrase

    passphrase = _passphrase(passphrase_file, twice=True)
    check_passphrase(passphrase)
    whole = file.absolute()
    name = STANDARD_OUTPUT if file == STDOUT else str(whole)
    with standard_output(sys.stdout.fileno()) if file == STDOUT else new_file(whole, invocation.layout.root) as target:
        made = make_backup(
            invocation.layout, target, passphrase, name=name, actor=invocation.actor(), now=invocation.now()
        )
    _tell_made(invocation, file, made)
    return DEGRADED if made.left_out else DONE


def _tell_made(invocation: Invocation, file: Path, made: Manifest) -> None:
    for line in made.left_out:
        note(f"Left out: {line}")
    for path in made.machine.elsewhere:
        note(f"Not in it, as it lies outside of /etc/chainwright: {path}")
    if invocation.as_json and file != STDOUT:
        print_json({"file": str(file), **_json_of(made)})
    else:
        note(f"{file}: {_counts(made)}")


@command(
    "restore",
    example="""
$ chainwright restore gateway.backup --dry-run
$ chainwright restore gateway.backup
Passphrase:
The host name is gw2; it was gw.
Done: 14 actions. Next: in 15 minutes.
""",
)
@click.argument("file", type=FILE, required=False)
@click.option("--passphrase-file", type=FILE, help="Passphrase of the file; default: it is asked for.")
@click.option("--replace", is_flag=True, help="Move settings and keys that are there aside, whole.")
@click.option("--dry-run", is_flag=True, help="Read and check all of it, and say what is in it and what differs here.")
@click.option("--no-apply", is_flag=True, help="Deploy nothing yet.")
@click.option("--finish", is_flag=True, help="Go on with a restore that was interrupted, and do nothing else.")
@click.option("--wait", type=click.FloatRange(min=0), default=WAIT, show_default=True, help="Seconds for the lock.")
@click.pass_obj
def restore(
    invocation: Invocation,
    file: Path | None,
    passphrase_file: Path | None,
    replace: bool,
    dry_run: bool,
    no_apply: bool,
    finish: bool,
    wait: float,
) -> int:
    """Put settings and state of a backup in place, on this machine or another one, and deploy them.

    The agent must not run. What is served goes on until it is deployed; no CA is asked for what is in the backup.
    """
    from agent.backup import restoring

    if finish:
        begun = restoring.finish(invocation.layout, wait)
        note("The restore is finished." if begun else "No restore was interrupted.")
        return DONE
    if file is None:
        raise click.UsageError("Name the file of the backup.")
    passphrase = _passphrase(passphrase_file, twice=False)
    if dry_run:
        _tell_found(invocation, restoring.look_into(invocation.layout, file, passphrase))
        return DONE
    found = restoring.restore(
        invocation.layout,
        file,
        passphrase,
        replace=replace,
        actor=invocation.actor(),
        now=invocation.now(),
        wait=wait,
    )
    return _go_on(invocation, found, apply=not no_apply)


def _go_on(invocation: Invocation, found: Restored, *, apply: bool) -> int:
    from agent.cli.apply import perform

    machine = found.manifest.machine
    note(f"Restored from {found.manifest.made_at} on {machine.hostname}: {_counts(found.manifest)}")
    for line in found.differences:
        note(line)
    for path in found.aside:
        note(f"What was there is now in {path}")
    about = {
        "restored": {
            **_json_of(found.manifest),
            "differences": list(found.differences),
            "aside": [*map(str, found.aside)],
        }
    }
    if apply:
        return perform(invocation, about=about)
    if invocation.as_json:
        print_json(about)
    note("Nothing is deployed yet: chainwright apply")
    return DONE


def _tell_found(invocation: Invocation, found: Restored) -> None:
    manifest = found.manifest
    if invocation.as_json:
        print_json({**_json_of(manifest), "differences": list(found.differences)})
        return
    machine = manifest.machine
    rows = [
        ["made", f"{manifest.made_at} on {machine.hostname}, release {machine.release}"],
        ["in it", _counts(manifest)],
    ]
    rows += [[f"{module.name}/{slot}", names] for module in machine.modules for slot, names in module.chains.items()]
    rows += [["left out", each] for each in manifest.left_out]
    for line in columns(rows):
        click.echo(line)
    for line in found.differences:
        click.echo(line)
    click.echo("The backup is whole. Nothing was changed.")


def _counts(manifest: Manifest) -> str:
    counts = manifest.machine.counts
    return ", ".join(counted(counts[word], WORDS[word]) for word in WORDS if counts.get(word))


def _json_of(manifest: Manifest) -> dict[str, object]:
    machine = manifest.machine
    return {
        "made_at": manifest.made_at,
        "hostname": machine.hostname,
        "release": machine.release,
        "counts": dict(machine.counts),
        "modules": {module.name: dict(module.chains) for module in machine.modules},
        "left_out": list(manifest.left_out),
        "elsewhere": list(machine.elsewhere),
    }


def _passphrase(path: Path | None, *, twice: bool) -> bytes:
    """Return the passphrase in a file, or the one that is typed. Raises `BackupPassphraseNeeded`."""
    given = passphrase_of(path)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise BackupPassphraseNeeded
    typed: str = click.prompt(
        "Passphrase", hide_input=True, confirmation_prompt="Once more" if twice else False, err=True
    )
    return typed.encode()
