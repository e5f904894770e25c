"""Endpoints of a transaction: what is seen there before and after a switch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agent.deploy.deploy_context import DeployContext
from agent.deploy.endpoint_checks import EndpointCheck, checks_in_service, checks_of, observe
from agent.deploy.evidence import last_records, records_of
from agent.deploy.record import TransactionRecord
from agent.errors import AgentError, NewSessionsFail
from agent.model.deployment import EndpointRecord, Generation, RefusedKind
from agent.probing.probe import Observation

SAMPLE = 8
"""Endpoints of unchanged slots that are probed when only the configuration changed."""


class TransactionEndpoints:
    """Endpoints of a transaction's modules, with what was seen there last. Each module is asked once."""

    def __init__(
        self,
        context: DeployContext,
        record: TransactionRecord,
        generation: Callable[[str, bool], Generation | None],
    ) -> None:
        """`generation` returns a module's new (True) or old generation."""
        self._context = context
        self._record = record
        self._generation = generation
        self._known: dict[tuple[str, bool], list[EndpointCheck]] = {}
        self.seen: dict[str, Observation] = {}
        """By `EndpointCheck.key`."""
        self.dead: list[str] = list(record.was_dead or ())
        """Keys of endpoints at which nobody listened before the switch: they prove nothing against the new generation."""
        self._seen_dead: dict[str, Observation] = {}
        """What was seen there then, by key."""

    def find_dead(self) -> None:
        """Probe before the switch, once for each address: whether anybody listens does not depend on the name."""
        checks = [check for module in self._record.modules for check in self._due(module, new=True)]
        one_each = {check.place: check for check in reversed(checks)}
        seen = observe(self._context, list(one_each.values()), until_served=False)
        dead = {place: seen[check.key] for place, check in one_each.items() if seen[check.key].dead}
        self._seen_dead = {check.key: dead[check.place] for check in checks if check.place in dead}
        self.dead = list(self._seen_dead)

    def all_served(self) -> bool:
        """Probe each endpoint once. Return whether there are any, and all serve what they should."""
        checks = [check for module in self._record.modules for check in self._judged(module)]
        self.seen = observe(self._context, checks, until_served=False)
        return bool(checks) and all(observation.ok for observation in self.seen.values())

    def probe(self, modules: Iterable[str], *, new: bool) -> dict[tuple[str, str], AgentError]:
        """Probe until what is expected is served, or time is up. Return the errors by `(module, slot)`."""
        modules = list(modules)
        checks = [check for module in modules for check in self._due(module, new=new)]
        seen = observe(self._context, checks, until_served=True)
        self.seen = self.seen | seen | self._at_further_addresses(modules) if new else seen
        failed: dict[tuple[str, str], AgentError] = {}
        for check in checks:
            found = seen[check.key]
            if found.problem is not None and not (found.dead and check.key in self.dead) and not self._as_before(check):
                failed.setdefault((check.module, check.endpoint.slot), found.problem)
        return failed

    def _as_before(self, check: EndpointCheck) -> bool:
        """Whether the chain is served, and new sessions fail as they did before: that proves nothing against the chain."""
        before, problem = last_records(self._context, check.module).get(check.key), self.seen[check.key].problem
        failed = before is not None and before.new_sessions_fail
        return failed and isinstance(problem, NewSessionsFail)

    def _at_further_addresses(self, modules: Iterable[str]) -> dict[str, Observation]:
        """Look at addresses by which nothing is judged; it is waited for those only at which all was well before."""
        seen: dict[str, Observation] = {}
        for module in modules:
            last = last_records(self._context, module)
            checks = [check for check in self._declared(module, new=True) if check.further]
            well = [check for check in checks if check.key in last and last[check.key].ok]
            seen |= observe(self._context, well, until_served=True)
            seen |= observe(self._context, [check for check in checks if check not in well], until_served=False)
        return seen

    def seen_served(self, module: str) -> bool:
        """Whether endpoints of a module were probed last, and all of them presented what was expected."""
        seen = [each for key, each in self.seen.items() if key.startswith(f"{module} ")]
        return bool(seen) and all(each.ok for each in seen)

    def dead_places(self, modules: Iterable[str]) -> list[str]:
        """Return the addresses of modules' endpoints where nobody listened at any of them before the switch."""
        checks = [check for module in modules for check in self._checks(module, new=True) if not check.further]
        places = dict.fromkeys(str(check.endpoint.address) for check in checks)
        return [*places] if all(check.key in self.dead for check in checks) else []

    def any_of(self, module: str) -> bool:
        """Whether a module has endpoints."""
        return bool(self._declared(module, new=True))

    def shows(self, module: str) -> bool:
        """Whether what was seen after the switch can't be of the generation before: its number, or the leaf of another chain."""
        before = self._generation(module, False)
        for check in self._declared(module, new=True):
            seen = self.seen.get(check.key)
            if seen is None or seen.served is None or not seen.ok:
                continue
            slot = check.endpoint.slot
            if seen.served.generation is not None or before is None or before.chains.get(slot) != check.chain:
                return True
        return False

    def none_alive(self, module: str) -> bool:
        """Whether somebody listened at none of a module's endpoints before the switch, or it has none."""
        return all(check.key in self.dead for check in self._judged(module))

    def records(self, module: str, *, new: bool) -> list[EndpointRecord]:
        """Return what is to be stored of a module's endpoints: a service that had served and is gone is told, whatever waits."""
        last = last_records(self._context, module)
        gone = {key: seen for key, seen in self._seen_dead.items() if key in last and last[key].served_at}
        return records_of(self._context, self._declared(module, new=new), gone | self.seen, last)

    def _due(self, module: str, *, new: bool) -> list[EndpointCheck]:
        """Return the endpoints of changed slots, or a sample where none changed, and those that were wrong when last seen."""
        checks = [check for check in self._checks(module, new=new) if not check.further]
        changed = {difference.slot for difference in self._record.differences if difference.module == module}
        chosen = [each for each in checks if each.endpoint.slot in changed] or checks[:SAMPLE]
        wrong = {key for key, each in last_records(self._context, module).items() if not each.ok}
        wrong |= {key for key, each in self.seen.items() if new and not each.ok}  # before the service was started
        wrong -= {each.key for each in chosen}
        return [*chosen, *(each for each in checks if each.key in wrong)]

    def _judged(self, module: str) -> list[EndpointCheck]:
        """Return the endpoints by which a module's new generation is judged; none where asking it fails."""
        return [check for check in self._declared(module, new=True) if not check.further]

    def _declared(self, module: str, *, new: bool) -> list[EndpointCheck]:
        """Return a module's endpoints; none where asking it fails."""
        try:
            return self._checks(module, new=new)
        except AgentError:
            return []

    def _checks(self, module: str, *, new: bool) -> list[EndpointCheck]:
        """Return a module's endpoints. Raises what asking the module raises."""
        if (module, new) not in self._known:
            generation = self._generation(module, new)
            asked = generation is not None and module in self._context.enabled.modules
            self._known[module, new] = self._checks_of(module, generation, new=new) if generation and asked else []
        return self._known[module, new]

    def _checks_of(self, module: str, generation: Generation, *, new: bool) -> list[EndpointCheck]:
        if new and any(
            each.module == module and each.kind is RefusedKind.CONFIGURATION for each in self._record.differences
        ):
            return checks_of(self._context, module, generation)
        return checks_in_service(self._context, module, generation, last_records(self._context, module))
