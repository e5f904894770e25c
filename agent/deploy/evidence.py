"""What is stored of a look at endpoints, and how what is wrong there is told: by what was seen, and by what was seen before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from agent.contract.endpoint import Endpoint
from agent.contract.service import Service
from agent.deploy.deploy_context import DeployContext
from agent.deploy.endpoint_checks import EndpointCheck, is_plain_tls
from agent.errors import AgentError, ChainError
from agent.errors.deploy import APPLY
from agent.errors.problem import Problem
from agent.errors.served import OtherCertificate, ServiceStopped, WrongChainServed
from agent.model.deployment import EndpointRecord
from agent.probing.listening import who_listens
from agent.probing.probe import Observation
from agent.registry.hooks import Hooks
from agent.system.command import SYSTEMCTL
from agent.system.transient_unit import BOOTED


def last_records(context: DeployContext, module: str) -> dict[str, EndpointRecord]:
    """Return what is stored of a module's endpoints by `EndpointCheck.key`."""
    return {f"{each.module} {each.key}": each for each in context.store.endpoints.of(module)}


def records_of(
    context: DeployContext,
    checks: Iterable[EndpointCheck],
    seen: Mapping[str, Observation],
    before: Mapping[str, EndpointRecord],
) -> list[EndpointRecord]:
    """Return what is stored of each endpoint: what was seen now, else what was seen last of the same chain."""
    judging = _Judging(context)
    return [judging.record(check, seen.get(check.key), before.get(check.key)) for check in checks]


class _Judging:
    """Records of one look."""

    def __init__(self, context: DeployContext) -> None:
        self._context = context
        self._now = context.clock()
        self._listening: dict[str, str] = {}
        """Address -> who listens there."""

    def record(
        self, check: EndpointCheck, observation: Observation | None, last: EndpointRecord | None
    ) -> EndpointRecord:
        if observation is None:
            return self._unseen(check, last)
        problem = self._problem(check, observation, last)
        served = observation.served.fingerprints if observation.served else ()
        return replace(
            self._blank(check, last),
            served_sha256=served[0] if served else None,
            ok=observation.ok,
            problem=problem,
            checked_at=self._now,
            next_at=self._now + self._context.wait_policy.interval,
            served_at=self._now if observation.ok else _served_at(last),
            wrong_since=self._wrong_since(check, last, problem.code) if problem else None,
        )

    def _unseen(self, check: EndpointCheck, last: EndpointRecord | None) -> EndpointRecord:
        """A service that has stopped is still stopped, whatever it is to serve when it is started."""
        if last is not None and (last.chain == check.chain or last.stopped):
            return replace(last, chain=check.chain)
        return self._blank(check, last)

    def _blank(self, check: EndpointCheck, last: EndpointRecord | None) -> EndpointRecord:
        endpoint = check.endpoint
        return EndpointRecord(
            module=check.module,
            key=endpoint.key,
            slot=endpoint.slot,
            address=str(endpoint.address),
            server_name=endpoint.server_name,
            chain=check.chain,
            served_sha256=None,
            ok=True,
            problem=None,
            checked_at=None,
            next_at=self._now,
            served_at=_served_at(last),
            further=check.further,
            plain_tls=is_plain_tls(endpoint),
        )

    def _wrong_since(self, check: EndpointCheck, last: EndpointRecord | None, code: str) -> datetime:
        """Return when it began: what is wrong at an address is one event, whichever module was looked at first."""
        same = [each.wrong_since for each in self._at(check) if each.problem and each.problem.code == code]
        own = last.wrong_since if last else None
        return min((each for each in (own, *same) if each), default=self._now)

    def _at(self, check: EndpointCheck) -> list[EndpointRecord]:
        """Return what was seen last at the same address, of any module."""
        return [each for each in self._known if each.address == str(check.endpoint.address)]

    @cached_property
    def _known(self) -> list[EndpointRecord]:
        return self._context.store.endpoints.all()

    def _problem(self, check: EndpointCheck, observation: Observation, last: EndpointRecord | None) -> Problem | None:
        error = observation.problem
        if error is None:
            return None
        served_at = _served_at(last)
        if observation.dead and served_at is not None:
            advice = restart_advice(self._context, check.module)
            address = str(check.endpoint.address)
            since = self._wrong_since(check, last, ServiceStopped.code)
            served_at = max(served_at, *(each.served_at or served_at for each in self._at(check)))
            return ServiceStopped(str(check.endpoint), address, since, served_at, advice).problem
        return (self._other(check, observation, error) or error).problem

    def _other(self, check: EndpointCheck, observation: Observation, error: AgentError) -> OtherCertificate | None:
        """Return the error that names a certificate which was never deployed to the module; None: it is another case."""
        leaf = observation.served.certificate if observation.served else b""
        if not isinstance(error, WrongChainServed) or not leaf or self._is_known(check.module, error.served[0]):
            return None
        from agent.pki.certificate import issuer_title, load_der_certificate, title_of

        try:
            found = load_der_certificate(leaf)
            subject, issuer, until = title_of(found), issuer_title(found), found.not_valid_after_utc
        except (ChainError, ValueError):
            return None
        endpoint = check.endpoint
        return OtherCertificate(
            str(endpoint),
            str(endpoint.address),
            subject,
            issuer,
            until,
            self._listens(endpoint),
            endpoint.port,
            restart_advice(self._context, check.module),
        )

    def _is_known(self, module: str, leaf: str) -> bool:
        deployments = self._context.store.deployments
        owner = f"module:{module}"
        generations = (deployments.generation(owner, number) for number in deployments.numbers(owner))
        return leaf in self._context.records or any(each and leaf in each.chains.values() for each in generations)

    def _listens(self, endpoint: Endpoint) -> str:
        address = endpoint.address
        if str(address) not in self._listening:
            self._listening[str(address)] = "" if address.path else who_listens(address)
        return self._listening[str(address)]


def restart_advice(context: DeployContext, module: str) -> str:
    """Return how an administrator sees why the services of a module ended, and starts them."""
    names = context.enabled.modules[module].services if module in context.enabled.modules else ()
    services = [context.enabled.services[name] for name in names if name in context.enabled.services]
    advice = (_advice_of(context.enabled.hooks, each, systemd=BOOTED.is_dir()) for each in services)
    return "; ".join(dict.fromkeys(advice)) or f"start the service of {module}"


def _advice_of(hooks: Hooks, service: Service, *, systemd: bool) -> str:
    """Return the service's own advice, unless that is a command that does not work here."""
    advice = hooks.text_of(service, "restart_advice", f"start {service.name}")
    if SYSTEMCTL in advice and not systemd:
        return f'set manager = "commands" in [services.{service.name}], as systemd does not run here, {APPLY}'
    return advice


def _served_at(last: EndpointRecord | None) -> datetime | None:
    return last.served_at if last else None
