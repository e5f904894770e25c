"""What a change by hand is held against: needs, chains and bindings as they are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from agent.contract.source import ChainRecord
from agent.engine.engine import Engine
from agent.engine.pass_inputs import Declarations, PassInputs, declare, read_pass_inputs, state_of
from agent.errors.operations import AlreadyUploaded, NameNotCovered, NothingToReissue, NotNeeded
from agent.model.binding import Binding
from agent.model.need import Need
from agent.operations.consequences import Answers, Inquirer, Slots
from agent.pki.chain import Chain
from agent.planning.binding import UPLOADED, Evidence, bind
from agent.store import Store
from agent.system.lock import held
from agent.system.names import covers, parse_name


@dataclass(frozen=True, slots=True)
class Switch:
    """One need whose chain changes."""

    module: str
    slot: str
    before: str | None
    after: str | None
    """Ids of the chains."""
    reason: str


class LockedState:
    """The needs, chains and bindings that a change by hand is held against."""

    def __init__(
        self, store: Store, inputs: PassInputs, declarations: Declarations, evidence: Evidence, engine: Engine
    ) -> None:
        self.store = store
        self.inputs = inputs
        self.declarations = declarations
        self.evidence = evidence
        self._now = engine.clock()
        self._runner = engine.runner

    def bindings(self, chains: Iterable[ChainRecord] | None = None) -> list[Binding]:
        """Return who would be bound to what, if just `chains` were there."""
        evidence = self.evidence if chains is None else replace(self.evidence, chains=tuple(chains))
        return bind(self.declarations.needs, evidence, self._now)

    def record(self, chain: str | None) -> ChainRecord | None:
        """Return what is known of a chain."""
        return next((each for each in self.evidence.chains if each.id == chain), None)

    def preview(self, record: ChainRecord, *, for_name: str, keep_unused: bool) -> list[Switch]:
        """Return what would switch to a new chain, having made sure that it may be stored."""
        if self.record(record.id) is not None:
            raise AlreadyUploaded(record.id)
        if for_name and not any(covers(pattern, parse_name(for_name)) for pattern in record.names):
            raise NameNotCovered(for_name, record.names)
        switches = self._difference([*self.evidence.chains, record])
        if not switches and not keep_unused and not for_name and not self._useful(record):
            known = {name for need in self.declarations.needs for name in need.names}
            raise NotNeeded(record.names, known)
        return switches

    def without(self, chain_id: str) -> list[Switch]:
        """Return what would switch if a chain were gone."""
        return self._difference([each for each in self.evidence.chains if each.id != chain_id])

    def successors(self, switches: Iterable[Switch]) -> list[str]:
        """Say what takes over, by name."""
        found = []
        for each in switches:
            record = self.record(each.after)
            takes = f"a chain of {record.source} takes over" if record else "a new local chain takes over"
            found.append(f"{each.module}/{each.slot}: {takes}")
        return found

    def needs_of(self, name: str) -> list[Need]:
        """Return the needs with a name. Raises `NothingToReissue`, with a suggestion."""
        wanted = parse_name(name)
        found = [need for need in self.declarations.needs if wanted in need.names]
        if not found:
            known = sorted({each for need in self.declarations.needs for each in need.names})
            close = difflib.get_close_matches(wanted, known, 1)
            raise NothingToReissue(name, close[0] if close else "")
        return found

    def consequences(self, change: str, subject: str, slots: Slots, modules: Iterable[str] | None = None) -> Answers:
        """Ask modules what a change would break; all of them without `modules`."""
        inquirer = Inquirer(self.inputs, self.store, self._runner)
        return inquirer.ask(change, subject, slots, self.inputs.enabled.modules if modules is None else modules)

    def asked(self, change: str, subject: str, keys: Iterable[tuple[str, str]]) -> Answers:
        """Ask the modules of these needs what another chain for them would break."""
        slots = by_module(keys)
        return self.consequences(
            change, subject, slots, [each for each in slots if each in self.inputs.enabled.modules]
        )

    def _difference(self, chains: Iterable[ChainRecord]) -> list[Switch]:
        before = {binding.key: binding for binding in self.bindings()}
        return [
            Switch(after.module, after.slot, before[after.key].chain, after.chain, after.reason)
            for after in self.bindings(chains)
            if after.chain != before[after.key].chain
        ]

    def _useful(self, record: ChainRecord) -> bool:
        """Whether some need could be bound to it if nothing better were there."""
        return any(binding.chain == record.id for binding in self.bindings([record]))


def record_of(chain: Chain, engine: Engine) -> ChainRecord:
    """Return what the store would know of an upload."""
    return ChainRecord(
        id=chain.id,
        source=UPLOADED,
        names=chain.names,
        key_type=chain.key_type,
        purposes=chain.purposes,
        issuer=chain.issuer,
        serial=chain.serial,
        not_before=chain.usable_from,
        not_after=chain.usable_until,
        fingerprints=chain.fingerprints,
        created_at=engine.clock(),
    )


def by_module(keys: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return slots by their module, each once."""
    found: dict[str, tuple[str, ...]] = {}
    for module, slot in dict.fromkeys(keys):
        found[module] = (*found.get(module, ()), slot)
    return found


@contextmanager
def locked_state(engine: Engine, wait: float) -> Iterator[LockedState]:
    """Give the desk, under the lock, for which another process is waited `wait` seconds. Raises `LockHeld`."""
    with held(engine.layout.lock, wait=wait, who=engine.who), Store.open(engine.layout) as store:
        inputs = read_pass_inputs(engine.layout, store, engine.host)
        declarations = declare(inputs, store)
        yield LockedState(store, inputs, declarations, state_of(inputs, store, engine.clock()).evidence, engine)
