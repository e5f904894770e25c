"""Backups of appliances, their restoring on other ones by the commands, and files that are nearly backups."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.backup.archive import MANIFEST, ArchiveReader, member_name, put, put_end
from agent.backup.manifest import Part
from agent.pki.age import AgeReader, AgeWriter, Target
from agent.system.addresses import own_addresses
from agent.testing.appliance import short_directory
from support.appliances.deployed import Deployed
from support.clients.terminal import PROGRAM
from support.processes import prepared

PASSPHRASE = "correct horse battery"
CHEAP = 10
"""Logarithm of scrypt's cost: for files that only a test reads."""


def command(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command on an appliance."""
    return prepared.run([*PROGRAM[1:], "--root", root, *arguments])


def passphrase_file(root: Path, passphrase: str = PASSPHRASE) -> Path:
    """Write a passphrase to a file."""
    path = root / "passphrase"
    path.write_text(passphrase + "\n")
    path.chmod(0o600)
    return path


def backed_up(appliance: Deployed, name: str = "gateway.backup", *options: str) -> Path:
    """Back an appliance up; return the file."""
    file = appliance.root / name
    made = command(appliance.root, "backup", file, "--passphrase-file", passphrase_file(appliance.root), *options)
    assert made.returncode == 0, made.stderr
    return file


def restored(root: Path, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Restore a backup on an appliance."""
    return command(root, "restore", file, "--passphrase-file", passphrase_file(root), *options)


OTHER_NAME, OTHER_ADDRESS = "gw2", "192.0.2.7"


def restored_elsewhere(root: Path, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Restore a backup where the kernel says another host name and other addresses, and there is no network."""
    script = f'hostname {OTHER_NAME} && ip link set lo up && ip addr add {OTHER_ADDRESS}/32 dev lo && exec "$@"'
    call = [*PROGRAM, "--root", root, "restore", file, "--passphrase-file", passphrase_file(root), *options]
    argv = ["unshare", "--uts", "--net", "sh", "-c", script, "sh", *map(str, call)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def assert_differences_told(said: str) -> None:
    """Assert that lines of `restored_elsewhere` say how its machine differs from this one."""
    told = [line for line in said.splitlines() if line.startswith(("The host name", "Addresses that"))]
    gone = [each for each in own_addresses() if each not in {"127.0.0.1", "::1"}]
    assert told == [
        f"The host name is {OTHER_NAME}; it was {socket.gethostname()}.",
        *([f"Addresses that are not here: {', '.join(gone)}."] if gone else []),
        f"Addresses that were not there: {OTHER_ADDRESS}.",
    ]


@contextmanager
def another_machine(kind: type[Deployed] = Deployed, **options: Any) -> Iterator[Deployed]:
    """Give an appliance on which nothing has run yet, without settings."""
    with short_directory() as root:
        other = kind(root, **options)
        other.layout.plugins.rmdir()
        other.layout.etc.rmdir()
        try:
            yield other
        finally:
            other.close()


def tree(*directories: Path) -> dict[str, str]:
    """Return each path below directories with its mode and a digest of its content; locks and logs apart."""
    found = {}
    for top in directories:
        for where, names, files in os.walk(top):
            for name in [*names, *files]:
                path = Path(where) / name
                if name in {"lock", "daemon.lock"} or name.endswith(("-shm", "-wal")):
                    continue
                content = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else _digest(path)
                found[str(path)] = f"{path.lstat().st_mode:o} {content}"
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def parts_of(file: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest of a backup as plain JSON types, and the bytes of each part."""
    with file.open("rb") as source:
        archive = ArchiveReader(AgeReader(source, PASSPHRASE.encode(), str(file)), str(file))
        contents = {part.path: b"".join(content) for part, content in archive.parts()}
    return json.loads(archive.manifest.to_json()), contents


def write_backup(file: Path, manifest: Mapping[str, Any], contents: Mapping[str, bytes], after: bytes = b"") -> Path:
    """Write a file that is a backup in all but what the arguments say. `after`: bytes behind the end."""
    return write_age(file, lambda target: fill_backup(target, manifest, contents, after))


def write_age(file: Path, fill: Callable[[AgeWriter], object]) -> Path:
    """Write an age file of whatever content."""
    made = io.BytesIO()
    writer = AgeWriter(made, PASSPHRASE.encode(), CHEAP)
    fill(writer)
    writer.close()
    file.write_bytes(made.getvalue())
    return file


def fill_backup(target: Target, manifest: Mapping[str, Any], contents: Mapping[str, bytes], after: bytes = b"") -> None:
    """Write what is encrypted in a backup."""
    text = json.dumps(manifest).encode()
    put(target, MANIFEST, len(text), io.BytesIO(text))
    for index, (path, data) in enumerate(contents.items()):
        put(target, member_name(Part(path, len(data), ""), index), len(data), io.BytesIO(data))
    put_end(target)
    target.write(after)
