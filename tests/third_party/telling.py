"""A service that tells of itself: its states are the lines of a file, and what mends one writes another."""

from collections.abc import Iterable

from chainwright import Command, Context, HostFacts, Module, Need, Text, hookimpl


class Telling(Module):
    """A service that tells of itself."""

    name = "telling"
    files = (Text(path="telling.conf", text="telling"),)
    reload = ("telling-load", "{run}/telling.states")
    unprobed = "it has no socket"
    settles: bool = True

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(host.name)]

    def observe_command(self, context: Context) -> Command:
        return Command(("cat", str(context.places.run / "telling.states")))

    def mend_command(self, context: Context, subject: str) -> Command | None:
        return Command(("telling-dial", str(context.places.run / "telling.states"), subject)) if self.settles else None


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Telling]
