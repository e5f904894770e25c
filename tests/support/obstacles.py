"""Obstacles that somebody puts in the way of an agent's files, each with what takes it away again."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.appliances.deployed import Deployed

Cure = Callable[[], object]
Damage = Callable[[Deployed, str], Cure]


def sh(*argv: str | Path) -> None:
    subprocess.run([str(each) for each in argv], check=True, timeout=30, capture_output=True)


def place(appliance: Deployed, module: str) -> Path:
    return appliance.layout.module(module).state


def live_is_a_directory(appliance: Deployed, module: str) -> Cure:
    live = place(appliance, module) / "live"
    target = live.readlink()
    live.unlink()
    live.mkdir()
    (live / "mine").touch()

    def cure() -> None:
        live.rename(live.with_name("live.found"))
        live.symlink_to(target)

    return cure


def state_is_a_file(appliance: Deployed, module: str) -> Cure:
    state = place(appliance, module)
    aside = state.with_name(f"{module}.aside")
    state.rename(aside)
    state.write_text("mine")

    def cure() -> None:
        state.unlink()
        aside.rename(state)

    return cure


def state_leads_nowhere(appliance: Deployed, module: str) -> Cure:
    cure = state_is_a_file(appliance, module)
    state = place(appliance, module)
    state.unlink()
    state.symlink_to("/nowhere")
    return cure


def state_is_immutable(appliance: Deployed, module: str) -> Cure:
    state = place(appliance, module)
    sh("chattr", "+i", state)
    return lambda: sh("chattr", "-i", state)


def a_file_is_immutable(appliance: Deployed, module: str) -> Cure:
    file = appliance.live(module) / "tunnel.pem"
    sh("chattr", "+i", file)
    return lambda: sh("chattr", "-i", file)


def state_is_read_only(appliance: Deployed, module: str) -> Cure:
    state = place(appliance, module)
    sh("mount", "--bind", state, state)
    sh("mount", "-o", "remount,bind,ro", state)
    return lambda: sh("umount", "-l", state)


def generation_is_removed(appliance: Deployed, module: str) -> Cure:
    sh("rm", "-r", appliance.live(module))
    return lambda: None


def generation_is_a_file(appliance: Deployed, module: str) -> Cure:
    directory = appliance.live(module)
    sh("rm", "-r", directory)
    directory.write_text("mine")
    return lambda: None


def published(appliance: Deployed, module: str) -> Path:
    return appliance.layout.rooted(f"/srv/{module}/key.pem")


def published_is_a_directory(appliance: Deployed, module: str) -> Cure:
    path = published(appliance, module)
    path.unlink()
    path.mkdir()
    return path.rmdir


def published_is_immutable(appliance: Deployed, module: str) -> Cure:
    path = published(appliance, module)
    sh("chattr", "+i", path)
    return lambda: sh("chattr", "-i", path)


def published_is_on_a_full_disk(appliance: Deployed, module: str) -> Cure:
    directory = published(appliance, module).parent
    content = published(appliance, module).read_bytes()
    sh("mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "none", directory)
    (directory / "key.pem").touch(mode=0o600)
    (directory / "key.pem").write_bytes(content)
    (directory / "mine").write_bytes(bytes(4096))
    sh("sh", "-c", f"cat /dev/zero > {directory}/filling 2>/dev/null || true")
    return lambda: sh("umount", "-l", directory)


def published_disk_is_read_only(appliance: Deployed, module: str) -> Cure:
    directory = published(appliance, module).parent
    sh("mount", "--bind", directory, directory)
    sh("mount", "-o", "remount,bind,ro", directory)
    return lambda: sh("umount", "-l", directory)


def published_directory_is_a_file(appliance: Deployed, module: str) -> Cure:
    directory = published(appliance, module).parent
    aside = directory.with_name(f"{module}.aside")
    directory.rename(aside)
    directory.write_text("mine")

    def cure() -> None:
        directory.unlink()
        aside.rename(directory)

    return cure


EVERY = {
    live_is_a_directory: "a directory is in its place",
    state_is_a_file: "a file is in its place",
    state_leads_nowhere: "is a symbolic link to /nowhere, where nothing is",
    state_is_immutable: "chattr -i",
    a_file_is_immutable: None,
    state_is_read_only: "mounted read-only",
    generation_is_removed: None,
    generation_is_a_file: None,
    published_is_a_directory: "A directory of the administrator's own",
    published_is_immutable: "chattr -i",
    published_is_on_a_full_disk: "Make room there",
    published_disk_is_read_only: "mounted read-only",
    published_directory_is_a_file: "a file is where a directory belongs",
}
"""What is told of each; None: nothing has to be, as it is mended in the same pass."""


# A whole state, on a file system of its own


def no_space(state: Path) -> Cure:
    filling = state / "filling"
    sh("sh", "-c", f"cat /dev/zero > {filling} 2>/dev/null || true")
    return filling.unlink


def no_inodes(state: Path) -> Cure:
    many = state / "many"
    many.mkdir()
    try:
        for number in range(1000):
            (many / str(number)).touch()
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017 - it fills what there is
    return lambda: sh("rm", "-r", many)


def read_only(state: Path) -> Cure:
    sh("mount", "-o", "remount,ro", state)
    return lambda: sh("mount", "-o", "remount,rw", state)
