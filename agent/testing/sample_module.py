"""A module for what needs one to be checked: a policy, an observer."""

from __future__ import annotations

from collections.abc import Iterable

from agent.contract.context import Context
from agent.contract.endpoint import Endpoint
from agent.contract.file import ChainFile, Text
from agent.contract.markers import hookimpl
from agent.contract.module import Module
from agent.model.need import HostFacts, Need
from agent.pki.encoding import Part

NAME = "check-sample"


class SampleModule(Module):
    """Sample of a service with two sites."""

    name = NAME
    files = (
        ChainFile(path="{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        Text(path="sample.conf", text="# nothing is configured here\n"),
    )
    reload = ("check-sample", "reload")

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for a chain for each of two names."""
        return [self.need(f"{slot}.check.lan", slot=slot) for slot in ("one", "two")]

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Name an endpoint for each."""
        return [Endpoint(port=443, server_name=f"{slot}.check.lan", slot=slot) for slot in context.chains]


@hookimpl
def register_modules() -> list[type[Module]]:
    """Register it."""
    return [SampleModule]
