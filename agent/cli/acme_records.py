"""``chainwright acme persist``: the TXT records by which names are proved for good."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agent.cli.commands import Invocation, command
from agent.cli.output import columns, note, print_json
from agent.cli.root_steps import Instant
from agent.errors.problem import rfc3339

if TYPE_CHECKING:
    from agent.engine.engine import Engine
    from agent.errors.source import SourceError
    from agent.model.persistent import PersistentLook
    from agent.registry.sources import SourceHandle
    from agent.sources.acme.source import AcmeSource

T = TypeVar("T")
HASHED = "sha-256/"
"""In records of draft -02, which hash the account's key too."""
GROUP = "acme"
"""What all ACME CAs of the ladder belong to."""
MISSING = 3
"""Exit code: a record is not there, or not right."""


@command(
    "persist",
    example="""
$ chainwright acme persist '*.example.com'
owner   _validation-persist.example.com
type    TXT
value   letsencrypt.org; accounturi=https://acme-v02.api.letsencrypt.org/acme/acct/1234567; policy=wildcard
""",
)
@click.argument("names", nargs=-1, required=True)
@click.option("--until", type=Instant(), metavar="DATE", help="When the record ends by itself; by default never.")
@click.option("--ca", metavar="NAME", help="Only the one of the [[acme]] tables that is called so.")
@click.pass_obj
def persist(invocation: Invocation, names: tuple[str, ...], until: datetime | None, ca: str | None) -> int:
    """Show the TXT record that proves each of NAMES to the CA for good (dns-persist-01), and look whether it is there.

    Set it once, by hand: nobody needs a right to change the zone. The account is made where there is none, as the record
    names it. The agent looks for the record by itself and orders once it is there. Each CA has a record of its own.

    Exit code 3: a record is not there, or not right.
    """
    from agent.engine.engine import Engine
    from agent.operations.records import store_looks

    engine = Engine(invocation.layout, who="chainwright acme persist")
    looks, are_all = _looks(engine, _domains(names), ca)
    store_looks(engine, looks)
    looks = [each.ending(until) for each in looks] if until else looks
    if invocation.as_json:
        print_json({"records": [_json(each) for each in looks]})
    else:
        show_records(looks)
        _tell_what_is_not_asked_for(invocation, looks)
    return 0 if are_all and all(each.problem is None for each in looks) else MISSING


def _tell_what_is_not_asked_for(invocation: Invocation, looks: Sequence[PersistentLook]) -> None:
    """Say of which names no chain is asked for: nobody looks for their records."""
    from agent.store import Store

    with Store.open_read_only(invocation.layout) as store:
        asked = {name for need in store.modules.needs() for name in need.names}
    for name in dict.fromkeys(name for each in looks for name in each.names if name not in asked):
        note(f"No module asks for a chain of {name}: its record is looked for, and a chain ordered, once one does.")


def _domains(names: Sequence[str]) -> list[str]:
    """Return canonical names. Raises what refuses an argument."""
    from agent.system.names import is_address, parse_name

    found = [parse_name(name) for name in names]
    addresses = [name for name in found if is_address(name)]
    if addresses:
        raise click.BadParameter(f"{addresses[0]} is an address, which has no such record", param_hint="NAMES")
    return found


def _looks(engine: Engine, names: Sequence[str], ca: str | None) -> tuple[list[PersistentLook], bool]:
    """Return the records at one CA, or at all that take them, and whether all could be asked. Raises like `answers_of`."""
    from typing import cast

    from agent.errors.persist import NotTaken
    from agent.errors.usage import UnknownCa
    from agent.operations.sources import source_contexts
    from agent.sources.acme.account_admin import AccountAdmin

    with source_contexts(engine, lambda each: each.group == GROUP, GROUP) as found:
        chosen = [each for each in found if ca in {None, each[0].name}]
        if not chosen:
            raise UnknownCa(str(ca), [each.name for each, _ in found])
        able = [each for each in chosen if each[0].persistent_names(names)]
        for each, _ in chosen if not able else ():
            note(_why_not_able(each, names))
        admins = [
            (each, AccountAdmin(cast("Any", each.source), context, each.name)) for each, context in able or chosen
        ]
        asked = [(each, functools.partial(admin.records, names)) for each, admin in admins]
        answers, failed = answers_of(asked)
        are_all = all(isinstance(each, NotTaken) for each in failed)
        return [look for of_one in answers.values() for look in of_one], are_all


def _why_not_able(handle: SourceHandle, names: Sequence[str]) -> str:
    """Return why a CA will issue for none of `names` by such records."""
    from typing import cast

    source = cast("AcmeSource", handle.source)
    never = next((why for name in names if (why := source.why_not_asked(name))), "")
    return f"No chain is ordered by it: {never or f'challenges leaves dns-persist-01 out for {handle.authority}'}."


def answers_of(asked: Sequence[tuple[SourceHandle, Callable[[], T]]]) -> tuple[dict[str, T], list[SourceError]]:
    """Ask several CAs. One that can't be asked is told, and the others are asked. Raises `SourceError` where none can be."""
    from agent.errors.source import SourceError

    found: dict[str, T] = {}
    failed: list[SourceError] = []
    for handle, ask in asked:
        try:
            with handle.naming_its_table():
                found[handle.name] = ask()
        except SourceError as error:
            failed.append(error)
    if failed and not found:
        raise failed[0]
    for each in failed:
        note("\n".join(each.problem.lines()))
    return found, failed


def tell_of_void_records(invocation: Invocation, source: str, *, new_key: bool = False) -> tuple[str, ...]:
    """Say which records become void with another account, or with another key where records hash it; return what they prove."""
    from agent.store import Store

    with Store.open_read_only(invocation.layout) as store:
        looks = [each for each in store.persistent.all().values() if each.source == source and each.proves]
    void = [each for each in looks if HASHED in each.value or not new_key]
    for each in void:
        note(f"Void from then on: the TXT record at {each.record.owner} ({each.value})")
    names = tuple(name for each in void for name in each.names)
    if names:
        note(f"The new ones: chainwright acme persist {' '.join(map(quote, names))} --ca {quote(source)}")
    return names


def show_records(looks: Sequence[PersistentLook]) -> None:
    """Print records, and how far each is."""
    for each in looks:
        _show(each)


def _show(look: PersistentLook) -> None:
    record = look.record
    rows = [["owner", record.owner], ["type", "TXT"], ["value", record.value], ["line", record.zone_line]]
    rows += [["proves", ", ".join(look.names)], ["for", look.ca], ["state", look.state]]
    rows += [["ends", rfc3339(look.until)]] if look.until else []
    for line in columns(rows):
        click.echo(line)
    if look.problem:
        note(f"{look.problem.cause}\n{look.problem.fix}")


def _json(look: PersistentLook) -> dict[str, Any]:
    return {
        "source": look.source,
        "ca": look.ca,
        "names": list(look.names),
        "owner": look.record.owner,
        "type": "TXT",
        "value": look.value,
        "line": look.record.zone_line,
        "proves": list(look.proves),
        "seen": look.seen,
        "servers": look.servers,
        "until": rfc3339(look.until) if look.until else None,
        "problem": look.problem.to_json() if look.problem else None,
    }
