"""Answers to DNS-01 challenges by dynamic updates (RFC 2136) that BIND's nsupdate sends, signed with a shared key."""

from chainwright import (
    DnsSolver,
    ListenAddress,
    Name,
    ProgramFailed,
    Secret,
    SolverRefused,
    SolverUnreachable,
    hookimpl,
    masked,
    run_program,
)

api = 1


class NsUpdate(DnsSolver):
    """A DNS server that takes dynamic updates."""

    name = "nsupdate"
    server: ListenAddress
    key_name: Name
    key: Secret
    ttl: int = 60

    def present(self, name: str, value: str) -> None:
        self.update(f'add {name}. {self.ttl} TXT "{value}"')

    def clean_up(self, name: str, value: str) -> None:
        self.update(f'delete {name}. TXT "{value}"')

    def update(self, change: str) -> None:
        key = f"key hmac-sha256:{self.key_name} {self.key.reveal()}"
        lines = f"server {self.server.host} {self.server.port}\n{key}\nupdate {change}\nsend\n"
        try:
            run_program(("nsupdate",), stdin=lines.encode())
        except ProgramFailed as error:
            kind = SolverRefused if "update failed: " in error.said else SolverUnreachable
            raise kind(
                f"The DNS server {self.server} takes no update: {masked(str(error), [self.key])}.",
                where=f"[dns.{self.name}]",
                fix="Look at its log, and whether this key may change this name.",
            ) from error


@hookimpl
def register_dns_solvers() -> list[type[DnsSolver]]:
    return [NsUpdate]
