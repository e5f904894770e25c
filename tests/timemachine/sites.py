"""Drop-in plugin of a simulated appliance: a service with sites, each with a chain of its own."""

from __future__ import annotations

from collections.abc import Iterable

from chainwright import ChainFile, Context, Endpoint, HostFacts, KeyType, Module, Name, Need, Part, Text, hookimpl


class Sites(Module):
    """Sites of one service."""

    name = "sites"
    files = (ChainFile(path="{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    key_types = (KeyType.ECDSA_P256,)
    names: tuple[Name, ...] = ()
    own: tuple[Name, ...] = ()
    """Those for which the source of a plugin is asked, not the CA."""
    alone: tuple[Name, ...] = ()
    """Those that only the own root may certify."""
    port: int
    broken: str = ""
    """The method that raises."""

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        self.may_raise("declare_needs")
        for name in self.names:
            yield self.need(name, slot=name.split(".")[0])
        for name in self.own:
            yield self.need(name, slot=name.split(".")[0], sources=("uploaded", "company", "local"))
        for name in self.alone:
            yield self.need(name, slot=name.split(".")[0], sources=("local",))

    def render_files(self, context: Context) -> Iterable[Text]:
        self.may_raise("render_files")
        table = [
            f"{name} {name.split('.')[0]}.pem\n" for name in self.all_names if name.split(".")[0] in context.chains
        ]
        yield Text(path="sites", text="".join(table))

    def check_command(self, context: Context):  # type: ignore[no-untyped-def]
        return _command("check", self.instance)

    def reload_command(self, context: Context):  # type: ignore[no-untyped-def]
        return _command("reload", self.instance)

    def probes(self, context: Context) -> Iterable[Endpoint]:
        self.may_raise("probes")
        for name in self.all_names:
            yield Endpoint(port=self.port, server_name=name, slot=name.split(".")[0])

    def may_raise(self, method: str) -> None:
        """Raise where this method is the broken one."""
        if self.broken == method:
            raise RuntimeError(f"{method} is broken")

    @property
    def all_names(self) -> tuple[str, ...]:
        return (*self.names, *self.own, *self.alone)


def _command(verb: str, instance: str):  # type: ignore[no-untyped-def]
    from chainwright import Command

    return Command(("wire", verb, instance))


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Sites]
