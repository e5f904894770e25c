"""Answers to DNS-01 challenges by dynamic updates (RFC 2136) that BIND's nsupdate sends, signed with a shared key."""

import subprocess

from chainwright import DnsSolver, ListenAddress, Name, Secret, SourceError, hookimpl

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
            subprocess.run(("nsupdate",), input=lines, text=True, capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or str(error)
            raise SourceError(
                f"The DNS server {self.server} refuses the update: {said.strip().rstrip('.')}.",
                where=f"[dns.{self.name}]",
                fix="Look at its log, and whether this key may change this name.",
            ) from error


@hookimpl
def register_dns_solvers() -> list[type[DnsSolver]]:
    return [NsUpdate]
