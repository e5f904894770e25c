"""Real processes whose clock a test moves, by a library that is loaded into them (moved_clock.c)."""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def built(directory: Path) -> Path:
    """Compile the library."""
    library = directory / "moved_clock.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


class MovedClock:
    """The clock of processes that are started with `environment`."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        self.moved_by(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "MOVED_CLOCK": str(self._file)}

    def moved_by(self, seconds: float, *, ntp: bool = False) -> None:
        """Move it by so many seconds from now on. `ntp`: the kernel says that NTP keeps it."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{seconds:.0f}{' ntp' if ntp else ''}\n")
        beside.rename(self._file)
