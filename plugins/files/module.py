"""Module that publishes chains as files: settings, needs, files, commands and endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from chainwright import (
    TLS_KEY_TYPES,
    Action,
    ChainFacts,
    ChainFile,
    Change,
    Command,
    Consequence,
    Context,
    Endpoint,
    HostFacts,
    KeyType,
    Module,
    Need,
    Word,
    first_repeated,
)
from plugins.files.entry import Entry

UNIT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.@-\\")
"""Characters of a unit's name (systemd.unit(5))."""
GENERATION = "{dir}"
"""In a command's argument: the generation's own directory."""


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError('must be a list of arguments, as in ["/usr/sbin/nginx", "-t"]: there is no shell')
    return value


def _printable(arguments: tuple[str, ...]) -> tuple[str, ...]:
    if arguments and not arguments[0]:
        raise ValueError("its first argument is the program, and is empty")
    if not all(each.isprintable() for each in arguments):
        raise ValueError("an argument has a control character")
    return arguments


def _unit(text: str) -> str:
    if not text or not set(text) <= UNIT or text.startswith("-"):
        raise ValueError('must be the name of a systemd unit, for example "haproxy" or "radiusd@main.service"')
    return text


Arguments = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_printable)]
Unit = Annotated[str, AfterValidator(_unit)]


class Files(Module):
    """Files for services that somebody else configures."""

    name: ClassVar[str] = "files"
    title: ClassVar[str] = "Files"
    key_types: ClassVar[tuple[KeyType, ...]] = (*TLS_KEY_TYPES, KeyType.ED25519)
    keeps_first_files: ClassVar[bool] = True

    chains: tuple[Entry, ...] = Field(min_length=1, description="the chains, each a [[modules.NAME.chains]] table")
    directory_group: Word | None = Field(
        None, description="group that may enter the directories and read what is in them; default: root"
    )
    unit: Unit | None = Field(None, description="systemd unit of the service")
    unit_action: Literal["reload", "restart"] = Field("reload", description="what makes the unit read its files again")
    test: Arguments = Field((), description="the service's own test, as a list of arguments")
    command: Arguments = Field((), description="what makes the service read its files again, in place of unit")
    confirmation: Arguments = Field((), description="a command that ends with 0 once the service has read them")

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for one chain an entry."""
        for each in self.chains:
            first = {each.key_type: None} if each.key_type else {}
            yield self.need(
                *each.names, slot=each.slot, key_types=tuple(first | dict.fromkeys(self.accepted_key_types))
            )

    def receive_chains(self, chains: Mapping[str, ChainFacts]) -> Iterable[ChainFile]:
        """Give each chain its files."""
        return chain.from_iterable(each.chain_files(self.directory_group) for each in self.chains)

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Look where the settings say."""
        return chain.from_iterable(each.looked_at() for each in self.chains)

    def check_command(self, context: Context) -> Command | None:
        """Run the service's own test."""
        return self._command(self.test)

    @property
    def checks_in_place(self) -> bool:
        """A test that isn't given the generation reads what is published."""
        return bool(self.test) and not any(GENERATION in each for each in self.test)

    def reload_command(self, context: Context) -> Action | None:
        """Run the command, or have systemd do it."""
        return self._systemctl(self.unit_action) or self._command(self.command)

    def confirm_command(self, context: Context) -> Command | None:
        """Run the command that shows it."""
        return self._command(self.confirmation)

    def running(self, context: Context) -> Command | Path | None:
        """Ask systemd; without a unit the endpoints tell."""
        return self._systemctl("is-active", "--quiet")

    def consequences_of(self, change: Change, observed: str) -> Iterable[Consequence]:
        """Say that a restart drops sessions."""
        if change.slots and self.unit and self.unit_action == "restart":
            yield Consequence(
                f"{self.unit} is restarted when the new chain is taken; its sessions drop.", severity="outage"
            )

    @property
    def file_group(self) -> str:
        """Who enters the directories."""
        return self.directory_group or ""

    def _systemctl(self, *verb: str) -> Command | None:
        return Command(("systemctl", *verb, self.unit)) if self.unit else None

    @model_validator(mode="after")
    def _one_way_to_reload(self) -> Self:
        if self.unit and self.command:
            raise ValueError("unit and command both make the service read its files: set one of the two")
        if self.unit_action == "restart" and not self.unit:
            raise ValueError("unit_action says what is done with the unit, and there is none: set unit")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        slot = first_repeated(each.slot for each in self.chains)
        if slot:
            raise ValueError(f'two chains are called "{slot}"; give one of them another name')
        place = first_repeated(chain.from_iterable(each.places() for each in self.chains))
        if place:
            raise ValueError(f"two files are to be at {place}")
        return self
