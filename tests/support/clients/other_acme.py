"""Other ACME clients, as Debian has them: each gets chains of a CA into a directory of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.cas.pebble import Pebble
from support.ports import free_port

MAIL = "admin@example.com"


def certbot(ca: Pebble, directory: Path, *names: str) -> None:
    """Get one chain for several names by certbot."""
    places = [
        f"--{kind}-dir={directory / place}" for kind, place in (("config", "."), ("work", "work"), ("logs", "logs"))
    ]
    argv = [
        "certbot",
        "certonly",
        "--standalone",
        "-n",
        "--agree-tos",
        "-m",
        MAIL,
        *places,
        "--server",
        ca.directory_url,
    ]
    argv += [f"--http-01-port={free_port()}", *(f"-d{name}" for name in names)]
    _run(argv, REQUESTS_CA_BUNDLE=ca.trust_file)


def lego(ca: Pebble, directory: Path, *names: str) -> None:
    """Get one chain for several names by lego."""
    argv = ["lego", "--server", ca.directory_url, "--accept-tos", "--email", MAIL, "--path", str(directory)]
    argv += ["--http", "--http.port", f":{free_port()}", *(f"--domains={name}" for name in names), "run"]
    _run(argv, LEGO_CA_CERTIFICATES=ca.trust_file)


def dehydrated(ca: Pebble, directory: Path, *names: str) -> None:
    """Get one chain for several names by dehydrated."""
    (directory / "well-known").mkdir(parents=True, exist_ok=True)
    (directory / "config").write_text(
        f'CA="{ca.directory_url}"\nBASEDIR={directory}\nWELLKNOWN={directory}/well-known\n'
    )
    (directory / "domains.txt").write_text(" ".join(names) + "\n")
    for action in (["--register", "--accept-terms"], ["--cron"]):
        _run(["dehydrated", "--config", str(directory / "config"), *action], CURL_CA_BUNDLE=ca.trust_file)


GETTING: dict[str, Callable[..., None]] = {"certbot": certbot, "dehydrated": dehydrated, "lego": lego}


def _run(argv: list[str], **environment: Path) -> None:
    surroundings = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    ended = subprocess.run(argv, capture_output=True, text=True, env=surroundings, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
