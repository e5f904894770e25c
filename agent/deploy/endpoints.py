"""Endpoints: what they should serve, what is seen there before and after a switch, and what is stored of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from agent.contract.endpoint import Endpoint, Expected
from agent.deploy.deploy_context import DeployContext
from agent.deploy.record import TransactionRecord
from agent.errors import AgentError
from agent.model.deployment import EndpointRecord, Generation
from agent.probing.probe import Observation

SAMPLE = 8
"""Endpoints of unchanged slots that are probed when only the configuration changed."""


@dataclass(frozen=True)
class EndpointCheck:
    """One endpoint of one module, and the chain that it should serve."""

    module: str
    endpoint: Endpoint
    expected: Expected
    chain: str

    @property
    def key(self) -> str:
        """Unique among all endpoints."""
        return f"{self.module} {self.endpoint.key}"

    @property
    def place(self) -> tuple[str, type]:
        """Address, and class of the probe."""
        return str(self.endpoint.address), type(self.endpoint.probe)


def checks_of(context: DeployContext, module: str, generation: Generation) -> list[EndpointCheck]:
    """Return every endpoint of a module's generation. Raises what asking the module raises."""
    endpoints = context.enabled.hooks.probes(module, context.context(module, generation))
    found = []
    for endpoint in endpoints:
        chain = generation.chains.get(endpoint.slot)
        if chain is not None and chain in context.records:
            expected = Expected(context.records[chain].fingerprints, generation.number)
            found.append(EndpointCheck(module, endpoint, expected, chain))
    return found


def observe(context: DeployContext, checks: list[EndpointCheck], *, until_served: bool) -> dict[str, Observation]:
    """Probe endpoints and return the observations by `EndpointCheck.key`."""
    if not checks:
        return {}
    seen = context.prober.observe(
        [(check.endpoint, check.expected) for check in checks],
        timeout=context.wait_policy.timeout,
        handshakes=context.wait_policy.handshakes,
        until_served=until_served,
    )
    return {check.key: observation for check, observation in zip(checks, seen, strict=True)}


def records_of(
    context: DeployContext,
    checks: Iterable[EndpointCheck],
    seen: Mapping[str, Observation],
    before: Mapping[str, EndpointRecord],
) -> list[EndpointRecord]:
    """Return what is stored of each endpoint: what was seen now, else what was seen last of the same chain."""
    now = context.clock()
    rows = []
    for check in checks:
        observation = seen.get(check.key)
        last = before.get(check.key)
        if observation is None and last is not None and last.chain == check.chain:
            rows.append(last)
            continue
        served = observation.served if observation else None
        problem = observation.problem if observation else None
        rows.append(
            EndpointRecord(
                module=check.module,
                key=check.endpoint.key,
                slot=check.endpoint.slot,
                address=str(check.endpoint.address),
                server_name=check.endpoint.server_name,
                chain=check.chain,
                served_sha256=served.fingerprints[0] if served and served.fingerprints else None,
                ok=observation is None or observation.ok,
                problem=problem.problem if problem else None,
                checked_at=now if observation else None,
                next_at=now + context.wait_policy.interval if observation else now,
            )
        )
    return rows


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

    def find_dead(self) -> None:
        """Probe before the switch, once for each address: whether anybody listens does not depend on the name."""
        checks = [check for module in self._record.modules for check in self._due(module, new=True)]
        one_each = {check.place: check for check in reversed(checks)}
        seen = observe(self._context, list(one_each.values()), until_served=False)
        dead = {place for place, check in one_each.items() if seen[check.key].dead}
        self.dead = [check.key for check in checks if check.place in dead]

    def all_served(self) -> bool:
        """Probe each endpoint once. Return whether there are any, and all serve what they should."""
        checks = [check for module in self._record.modules for check in self._declared(module, new=True)]
        self.seen = observe(self._context, checks, until_served=False)
        return bool(checks) and all(observation.ok for observation in self.seen.values())

    def probe(self, modules: Iterable[str], *, new: bool) -> dict[tuple[str, str], AgentError]:
        """Probe until what is expected is served, or time is up. Return the errors by `(module, slot)`."""
        checks = [check for module in modules for check in self._due(module, new=new)]
        self.seen = observe(self._context, checks, until_served=True)
        failed: dict[tuple[str, str], AgentError] = {}
        for check in checks:
            seen = self.seen[check.key]
            if seen.problem is not None and not (seen.dead and check.key in self.dead):
                failed.setdefault((check.module, check.endpoint.slot), seen.problem)
        return failed

    def seen_served(self, module: str) -> bool:
        """Whether endpoints of a module were probed last, and all of them presented what was expected."""
        seen = [each for key, each in self.seen.items() if key.startswith(f"{module} ")]
        return bool(seen) and all(each.ok for each in seen)

    def dead_places(self, modules: Iterable[str]) -> list[str]:
        """Return the addresses of modules' endpoints where nobody listened at any of them before the switch."""
        checks = [check for module in modules for check in self._checks(module, new=True)]
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
        return all(check.key in self.dead for check in self._declared(module, new=True))

    def records(self, module: str, *, new: bool) -> list[EndpointRecord]:
        """Return what is to be stored of a module's endpoints."""
        return records_of(self._context, self._declared(module, new=new), self.seen, self._last_records(module))

    def _due(self, module: str, *, new: bool) -> list[EndpointCheck]:
        """Return the endpoints of changed slots, or a sample where none changed, and those that were wrong last time."""
        checks = self._checks(module, new=new)
        changed = {difference.slot for difference in self._record.differences if difference.module == module}
        chosen = [each for each in checks if each.endpoint.slot in changed] or checks[:SAMPLE]
        wrong = {key for key, each in self._last_records(module).items() if not each.ok} - {each.key for each in chosen}
        return [*chosen, *(each for each in checks if each.key in wrong)]

    def _last_records(self, module: str) -> dict[str, EndpointRecord]:
        """Return what is stored of a module's endpoints by `EndpointCheck.key`."""
        rows = self._context.store.endpoints.all()
        return {f"{each.module} {each.key}": each for each in rows if each.module == module}

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
            self._known[module, new] = checks_of(self._context, module, generation) if generation and asked else []
        return self._known[module, new]
