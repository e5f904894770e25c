"""``chainwright render``: preview of a module's files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from agent.cli.commands import Invocation, command
from agent.cli.completion import complete_modules
from agent.cli.output import print_json
from agent.errors.usage import ModuleUnusable, UnknownFile, UnknownModule

if TYPE_CHECKING:
    from datetime import datetime

    from agent.config.settings import ModuleEntry
    from agent.model.deployment import ManifestFile
    from agent.rendering.render import Rendering
    from agent.system.layout import Layout


@command(
    "render",
    example="""
$ chainwright render reverse_proxy --file site.conf
server { ... }
""",
)
@click.argument("module", shell_complete=complete_modules)
@click.option("--file", "path", metavar="PATH", help="Only this file, exactly as it would be written.")
@click.pass_obj
def render(invocation: Invocation, module: str, path: str | None) -> None:
    """Print the files that MODULE would be given now, with its present chains; nothing is written.

    Keys are never printed: for a file that is made from a chain, the parts in it are named. Nor is a file that only its owner
    may read, because it holds passwords.
    """
    rendering, directory, number = _render(invocation.layout, module, invocation.now())
    files = [_File(file, rendering, directory, number) for file in rendering.files]
    if path is not None:
        files = [file for file in files if file.entry.path == path]
        if not files:
            raise UnknownFile(module, path, [file.path for file in rendering.files])
    if invocation.as_json:
        print_json({"module": module, "files": [file.to_json() for file in files]})
        return
    for file in files:
        for line in file.lines(alone=path is not None):
            click.echo(line, nl=False)


def _render(layout: Layout, module: str, now: datetime) -> tuple[Rendering, str, int]:
    from agent.engine.pass_inputs import declare, read_pass_inputs, state_of
    from agent.planning.binding import bind
    from agent.rendering.enabled_modules import facts_of
    from agent.store import Store

    with Store.open_existing(layout) as store:
        inputs = read_pass_inputs(layout, store)
        _must_be_usable(module, inputs.settings.entries)
        needs = [need for need in declare(inputs, store).needs if need.module == module]
        evidence = state_of(inputs, store, now).evidence
        numbers = store.deployments.numbers(f"module:{module}")
    records = {record.id: record for record in evidence.chains}
    bindings = [binding for binding in bind(needs, evidence, now) if binding.chain is not None]
    chains = {binding.slot: facts_of(records[binding.chain or ""]) for binding in bindings}
    number = max(numbers, default=0) + 1
    directory = layout.module(module).state / str(number)
    return inputs.enabled.render(module, chains), str(directory), number


def _must_be_usable(module: str, entries: Any) -> None:
    entry: ModuleEntry | None = entries.get(module)
    if entry is None:
        raise UnknownModule(module, entries)
    if entry.module is None:
        reason = entry.error.problem.cause.rstrip(".") if entry.error else "it is disabled in the settings"
        raise ModuleUnusable(module, reason)


class _File:
    """One file of the rendering, filled in as generation `number`."""

    def __init__(self, entry: ManifestFile, rendering: Rendering, directory: str, number: int) -> None:
        from agent.rendering.render import filled_in

        self.entry = entry
        shown = entry.text is not None and bool(entry.mode & 0o040)
        self.text = filled_in(rendering.texts[entry.text or ""], directory, number) if shown else None
        self.place = f"{directory}/{entry.path}"

    def lines(self, *, alone: bool) -> Iterator[str]:
        entry = self.entry
        if not alone:
            owner = f"{entry.owner or 'root'}:{entry.group or 'root'}"
            published = f", published as {entry.publish}" if entry.publish else ""
            yield f"### {self.place}  {entry.mode:04o} {owner}{published}\n"
        yield self.text if self.text is not None else f"({self._contents()})\n"
        if not alone:
            yield "\n"

    def to_json(self) -> dict[str, Any]:
        entry = self.entry
        row: dict[str, Any] = {"path": entry.path, "slot": entry.slot, "mode": f"{entry.mode:04o}"}
        row |= {"owner": entry.owner, "group": entry.group, "publish": entry.publish, "text": self.text}
        return row | {"chain": entry.chain, "parts": list(entry.parts), "format": entry.format if entry.chain else None}

    def _contents(self) -> str:
        entry = self.entry
        if entry.text:
            return "not shown: only its owner may read it"
        index = f" number {entry.index}" if entry.index is not None else ""
        return f"{' + '.join(entry.parts)}{index} of chain {(entry.chain or '')[:12]}, {entry.format}"
