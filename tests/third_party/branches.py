"""Head office of a toy VPN: believes branches whose certificates the appliance's root has signed."""

from collections.abc import Iterable

import click

from chainwright import (
    Appliance,
    ChainFile,
    Change,
    Command,
    Consequence,
    Context,
    HostFacts,
    Module,
    Name,
    Need,
    Part,
    PathText,
    Purpose,
    RevocationReason,
    Text,
    hookimpl,
)

BOTH = (Purpose.SERVER, Purpose.CLIENT)


class Branches(Module):
    """Tunnels to branches."""

    name = "branches"
    files = (ChainFile(path="office.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    reload = ("true",)
    disruptive = True
    verifies_peers = True
    unprobed = "nothing listens in a test"
    domain: Name
    up: PathText
    """A file with one branch a line: those whose tunnels are up."""

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(self.domain, slot="office", sources=("local",))]

    def render_files(self, context: Context) -> Iterable[Text]:
        for issuer in context.issuers:
            if issuer.present:
                yield Text(path="root.pem", text=issuer.certificates)
                yield Text(path="root.crl", text=issuer.crl)
        yield Text(path="believed.pem", text="".join(each.certificates for each in context.issuers if each.believed))

    def inspect_command(self, context: Context) -> Command:
        return Command(("cat", str(self.up)))

    def consequences_of(self, change: Change, observed: str) -> Iterable[Consequence]:
        for branch in observed.split():
            if change.kind == "root" and not change.bridged:
                yield Consequence(f"The tunnel to {branch} stops until it has the new root.", severity="outage")
            elif change.kind == "retirement":
                yield Consequence(f"The tunnel to {branch} stops if it knows only the root before.")
            elif change.kind != "root" and change.slots:
                yield Consequence(f"The tunnel to {branch} drops once.")
        if change.kind == "peer":
            yield Consequence("A tunnel stops for good.", severity="outage")


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Branches]


# sample: commands
@hookimpl
def register_commands(commands: click.Group, appliance: Appliance) -> None:
    @commands.command("sign")
    @click.argument("file", type=click.File("rb"))
    @click.argument("label")
    @click.argument("names", nargs=-1)
    def sign(file, label, names):
        """Sign a branch's request."""
        peer = appliance.sign(file.read(), names, module="branches", label=label, purposes=BOTH)
        click.echo(peer.serial)

    # end: commands

    @commands.command("list")
    def list_() -> None:
        """List branches."""
        for each in appliance.peers(module="branches"):
            click.echo(f"{each.label} {each.serial} {','.join(each.purposes)}")

    @commands.command("export")
    @click.argument("serial")
    def export(serial):
        """Print a branch's certificate and the root."""
        click.echo(appliance.export(serial, module="branches", parts=(Part.FULLCHAIN, Part.ROOT)), nl=False)

    @commands.command("revoke")
    @click.argument("serial")
    def revoke(serial):
        """Take a branch out."""
        for each in appliance.revoke(serial, module="branches", reason=RevocationReason.KEY_COMPROMISE):
            click.echo(each.serial)
        return appliance.apply()
