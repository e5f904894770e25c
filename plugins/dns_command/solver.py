"""The solver ``command``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator

from chainwright import DnsContext, DnsSolver, PathText, ProgramFailed, Secret, TxtRecord, masked
from plugins.dns_command import acme_sh
from plugins.dns_command.conventions import Call, Deed, certbot, certbot_domain, lego
from plugins.dns_command.errors import DnsCommandFailed

DATE_OF_ACME_SH = re.compile(r"^\[[^\]]*\] ")
MOST_OUTPUT = 32 * 1024
"""Octets of the first hook's output that the second one is told: its end; a letter that can't be read takes three."""
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Argv = Annotated[tuple[str, ...], Field(min_length=1)]


class Convention(StrEnum):
    """How a command is told what to do."""

    LEGO = "lego"
    CERTBOT = "certbot"
    ACME_SH = "acme.sh"


class CommandSolver(DnsSolver):
    """A DNS service that a command changes."""

    name: ClassVar[str] = "command"
    timeout: ClassVar[float] = 300.0
    title: ClassVar[str] = "Commands of your own, and those for lego, certbot and acme.sh"

    convention: Convention = Field(description="how a record is told to the command")
    command: Argv | None = Field(None, description="makes records; with `lego` it removes them too")
    remove_command: Argv | None = Field(None, description="removes records; with `certbot`")
    script: str | None = Field(
        None, pattern=r"^dns_[A-Za-z0-9_]+$", description="name of a script of acme.sh; with `acme.sh`"
    )
    acme_sh: PathText = Field("/usr/share/acme.sh", description="directory of acme.sh; with `acme.sh`")
    environment: Mapping[Variable, Secret] = Field({}, description="variables for the command, credentials above all")
    seconds: float = Field(60.0, gt=0, le=3600, description="so long one run of a command may take")

    _said: dict[tuple[str, str], str] = PrivateAttr(default_factory=dict)
    """What certbot's first hook has printed for a record."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted = {
            Convention.LEGO: {"command"},
            Convention.CERTBOT: {"command", "remove_command"},
            Convention.ACME_SH: {"script"},
        }[self.convention]
        given = {each for each in ("command", "remove_command", "script") if getattr(self, each) is not None}
        if wanted != given:
            raise ValueError(
                f'convention = "{self.convention}" takes {" and ".join(sorted(wanted))}, and no other of them'
            )
        return self

    def check_record(self, record: TxtRecord, context: DnsContext) -> None:
        """Look whether acme.sh has the script, and whether a hook in certbot's way writes where the record is to be."""
        if self.convention is Convention.ACME_SH:
            acme_sh.found_script(context.rooted(self.acme_sh) / "acme.sh", self.script or "")
        elif self.convention is Convention.CERTBOT:
            certbot_domain(record)

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Run the command for each record."""
        self._run_all(Deed.MAKE, records, context)

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Run the command for each record."""
        self._run_all(Deed.REMOVE, records, context)

    def _run_all(self, deed: Deed, records: Sequence[TxtRecord], context: DnsContext) -> None:
        for number, record in enumerate(records):
            context.progress(f"{deed} {record.name}")
            with ExitStack() as stack:
                call = self._call(deed, records, number, context, stack)
                output = self._run(call, deed, record, context)
            if self.convention is Convention.CERTBOT and deed is Deed.MAKE:
                self._said[record.name, record.value] = _for_environment(output)

    def _call(
        self, deed: Deed, records: Sequence[TxtRecord], number: int, context: DnsContext, stack: ExitStack
    ) -> Call:
        record = records[number]
        if self.convention is Convention.ACME_SH:
            home = stack.enter_context(acme_sh.throw_away_home(context.rooted(acme_sh.IN_MEMORY)))
            program = context.rooted(self.acme_sh) / "acme.sh"
            return acme_sh.call(program, self.script or "", deed, record, home)
        if self.convention is Convention.LEGO:
            return lego(self.command or (), deed, record)
        return certbot(
            (self.command if deed is Deed.MAKE else self.remove_command) or (),
            deed,
            record,
            domains=[each.domain for each in records],
            remaining=len(records) - number - 1,
            output=self._said.pop((record.name, record.value), "") if deed is Deed.REMOVE else "",
        )

    def _run(self, call: Call, deed: Deed, record: TxtRecord, context: DnsContext) -> bytes:
        environment = {**{name: each.reveal() for name, each in self.environment.items()}, **call.environment}
        try:
            return context.run(call.argv, timeout=self.seconds, environment=environment)
        except ProgramFailed as error:
            secrets = self.environment.values()
            reason = DATE_OF_ACME_SH.sub("", masked(str(error), secrets))
            raise DnsCommandFailed(self._called, deed, record.name, reason, masked(error.said, secrets)) from error

    @property
    def _called(self) -> str:
        return self.script or Path((self.command or ("",))[0]).name


def _for_environment(output: bytes) -> str:
    """Return what a hook has printed as the variable that the second hook gets: one of 128 KiB or with a NUL would be refused."""
    return output[-MOST_OUTPUT:].decode(errors="replace").replace("\0", "").strip()
