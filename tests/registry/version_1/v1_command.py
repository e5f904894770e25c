"""A command. Written for version 1.0 of the plugin contract, and never changed."""

import click

from chainwright import Appliance, hookimpl

api = 1


@hookimpl
def register_commands(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("count")
    def count() -> None:
        """Count the chains."""
        chains = len(appliance.status()["chains"])
        appliance.answer({"chains": chains}, [f"{chains} chains"])
