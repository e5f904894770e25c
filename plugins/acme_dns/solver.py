"""The solver ``acme_dns``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chainwright import DnsContext, DnsSolver, Name, PathText, Secret, TxtRecord, Url
from plugins.acme_dns.errors import AliasMissing, NameNotRegistered, TooManyValues
from plugins.acme_dns.server import Server

KEPT = 2
"""Values of a name."""


class Registration(BaseModel):
    """One ``[dns.NAME.registrations."DOMAIN"]`` table: what the server has answered to a registration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: Secret = Field(description="user name, a UUID")
    password: Secret = Field(description="password, 40 characters")
    subdomain: str = Field(min_length=1, description="subdomain that may be changed")
    fulldomain: Name = Field(description="name that the alias leads to")


def _each_of_its_own(registrations: Mapping[str, Registration]) -> Mapping[str, Registration]:
    shared = [name for name, times in Counter(each.subdomain for each in registrations.values()).items() if times > 1]
    if shared:
        raise ValueError(
            f"several names have the subdomain {shared[0]}, and acme-dns keeps two values of it: register each name"
        )
    return registrations


class AcmeDns(DnsSolver):
    """An acme-dns server."""

    name: ClassVar[str] = "acme_dns"
    most_values: ClassVar[int | None] = KEPT
    title: ClassVar[str] = "acme-dns: a DNS server for answers to challenges only"

    url: Url = Field(description="where its API is, for example `https://auth.example.net`")
    registrations: Annotated[Mapping[Name, Registration], AfterValidator(_each_of_its_own)] = Field(
        {}, description="tables by name, without `*.`: `username`, `password`, `subdomain`, `fulldomain`"
    )
    trust: PathText | None = Field(
        None, description="PEM file with the roots of its certificate; default: the system's"
    )
    seconds: float = Field(30.0, gt=0, le=300, description="so long one request may take")

    def check_record(self, record: TxtRecord, context: DnsContext) -> None:
        """Look whether the name has a registration, and whether its alias leads there."""
        self._registration(record)

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Send each value to the name's own registration. The server keeps it until two others have come."""
        server = Server(str(self.url), self.seconds, context.rooted(self.trust) if self.trust else None)
        for record, registration in [*self._registered(records)]:  # what is wrong is found before anything is sent
            context.progress(f"{record.domain}: {registration.fulldomain}")
            server.update(
                record.domain,
                user=registration.username,
                password=registration.password,
                subdomain=registration.subdomain,
                value=record.value,
            )

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Do nothing: the server removes no value, later ones take its place."""

    def _registered(self, records: Sequence[TxtRecord]) -> Iterator[tuple[TxtRecord, Registration]]:
        values = Counter(record.name for record in records)
        for record in records:
            if values[record.name] > KEPT:
                raise TooManyValues(record.domain, str(self.url), values[record.name])
            yield record, self._registration(record)

    def _registration(self, record: TxtRecord) -> Registration:
        """Return the registration that publishes where a record is to be. Raises `NameNotRegistered`, `AliasMissing`."""
        for each in self.registrations.values():
            if each.fulldomain == record.name:
                return each
        registration = self.registrations.get(record.domain)
        if registration is None:
            raise NameNotRegistered(record.domain, str(self.url))
        raise AliasMissing(record.domain, str(self.url), record.name, registration.fulldomain)
