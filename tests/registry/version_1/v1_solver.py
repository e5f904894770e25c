"""A publisher of DNS-01 answers. Written for version 1.0 of the plugin contract, and never changed."""

from pathlib import Path

from chainwright import DnsSolver, PathText, hookimpl

api = 1


class Zone(DnsSolver):
    """A zone that is a file."""

    name = "v1_solver"
    file: PathText

    def present(self, name: str, value: str) -> None:
        with Path(self.file).open("a") as zone:
            zone.write(f"{name} TXT {value}\n")

    def clean_up(self, name: str, value: str) -> None:
        lines = Path(self.file).read_text().splitlines()
        lines.remove(f"{name} TXT {value}")
        Path(self.file).write_text("\n".join(lines))


@hookimpl
def register_dns_solvers() -> list[type[DnsSolver]]:
    return [Zone]
