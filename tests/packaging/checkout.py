"""A copy of what the two commands consist of, with a stand-in for uv that needs no network."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ORIGINAL = Path(__file__).parents[2]
PARTS = ["run", "test", "packaging", "pyproject.toml", "requirements.lock", "requirements-test.lock"]

# Makes an environment whose commands print their arguments. Fails where $UV_FAILS names an argument, and when another
# one is still at work.
UV = """#!/bin/sh
set -eu
echo "$*" >>"$UV_LOG"
for argument; do
    if [ "$argument" = "${UV_FAILS-}" ]; then echo "no network" >&2; exit 9; fi
done
case $* in
venv*)
    mkdir "$UV_LOG.busy"
    for venv; do :; done
    mkdir -p "$venv/bin"
    ln -s "$(command -v python3)" "$venv/bin/python" ;;
*--editable*)
    for command in chainwright ruff mypy pytest; do
        printf '%s\\n' '#!/bin/sh' 'echo "${0##*/}: $*"' 'case " ${FAILING-} " in *" ${0##*/} "*) exit 7 ;; esac' \\
            >"${5%/python}/$command"
        chmod +x "${5%/python}/$command"
    done
    rmdir "$UV_LOG.busy" ;;
esac
"""


@dataclass(frozen=True)
class Checkout:
    path: Path
    programs: Path
    """First on the PATH of what is run."""

    @property
    def log(self) -> Path:
        return self.programs / "uv.log"

    def environment(self, **variables: str) -> dict[str, str]:
        path = f"{self.programs}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "UV_LOG": str(self.log), **variables}

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.path / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env=self.environment(**variables),
        )

    def call(self, *command: str, **variables: str) -> tuple[int, str, str]:
        """Exit code, output, error output."""
        process = self.start(*command, **variables)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def shell(self, script: str, **variables: str) -> tuple[int, str, str]:
        """Run `script` as a user of the shared functions would."""
        (self.path / "script").write_text(
            f'#!/bin/sh\nset -eu\nhere="{self.path}"\n. "$here/packaging/setup.sh"\n{script}'
        )
        (self.path / "script").chmod(0o755)
        return self.call("script", **variables)

    def program(self, name: str, text: str) -> None:
        """Put a program before all others on the PATH."""
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def times_made(self) -> int:
        return self.log.read_text().count("venv --quiet") if self.log.exists() else 0


def copied_checkout(parent: Path) -> Checkout:
    checkout = Checkout(parent / "a check out", parent / "programs")
    checkout.path.mkdir()
    checkout.programs.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ORIGINAL / part).is_dir() else shutil.copy
        copy(ORIGINAL / part, checkout.path / part)
    checkout.program("uv", UV)
    (checkout.path / "packaging/services.list").write_text("# nothing\n")
    (checkout.path / "packaging/test-packages.list").write_text("")
    (checkout.path / "packaging/sstp-server.sh").write_text("ensure_sstp_server() { :; }\n")
    (checkout.path / "packaging/test-cas.sh").write_text("ensure_test_cas() { :; }\n")
    return checkout
