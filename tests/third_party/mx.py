"""A mail server whose keys are in DNS, as somebody else would write it."""

from collections.abc import Iterable

from chainwright import ChainFile, HostFacts, Module, Name, Need, Part, hookimpl


class Mx(Module):
    """Mail of somebody else."""

    name = "mx"
    files = (ChainFile(path="mx.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    reload = ("true",)
    unprobed = "it is not there"
    domain: Name
    policies: tuple[Name, ...] = ()

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(self.domain, tlsa=(f"_25._tcp.{self.domain}",), mta_sts=self.policies)]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Mx]
