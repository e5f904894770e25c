"""The solver `lexicon` at an API as PowerDNS has it, where no public suffix list knows the zones: for `support.servers.alone`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from agent.dns.solver_context import SolverContext
from agent.errors import AgentError
from chainwright import TxtRecord
from plugins.lexicon.solver import LexiconSolver
from support.fakes.powerdns import TOKEN, PowerDns
from support.fakes.source_context import utc_now
from support.servers.alone import named_as_resolver

ONE, TWO = "1" * 43, "2" * 43
ZONES = ("corp.example.test", "host.lan")


def main(directory: Path) -> None:
    """Print what the zones hold after each step, and what a wrong token is told."""
    context = SolverContext(rooted=Path, now=utc_now)
    with named_as_resolver(directory, *ZONES):
        service = PowerDns(*ZONES)
        try:
            for step in steps(service, context):
                print(json.dumps(step()), flush=True)
        finally:
            service.close()


def steps(service: PowerDns, context: SolverContext) -> list[Callable[[], object]]:
    made = solver(service.url, TOKEN)
    records = [
        TxtRecord(name=f"_acme-challenge.{domain}", value=value, domain=domain)
        for domain in ("corp.example.test", "www.host.lan")
        for value in (ONE, TWO)
    ]

    def present() -> object:
        made.present_all(records, context)
        return {zone: service.records(zone) for zone in ZONES}

    def clean_up() -> object:
        made.clean_up_all([each for each in records if each.value == ONE], context)
        return {zone: service.records(zone) for zone in ZONES}

    def refused() -> object:
        try:
            solver(service.url, "a wrong token").present_all(records, context)
        except AgentError as error:
            return [error.problem.cause, error.problem.fix]
        return None

    return [present, clean_up, refused]


def solver(url: str, token: str) -> LexiconSolver:
    options = {"auth_token": token, "pdns_server": url}
    return LexiconSolver.model_validate({"provider": "powerdns", "options": options})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
