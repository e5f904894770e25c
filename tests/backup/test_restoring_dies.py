"""A restore that dies at any change of the disk leaves the old state or the new one, and the next command goes on."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.errors.store import NoStateYet, RestoreUnfinished
from agent.store import Store
from agent.system.replacement import Replacement
from support.appliances.carried import command, parts_of, passphrase_file, tree, write_backup
from support.appliances.deployed import Deployed, served
from support.paths import DYING_RESTORE
from support.processes import prepared

EVERY = int(os.environ.get("RESTORES_DIE_EVERY", "7"))
"""1 dies before each change of the disk; more skips some."""
OLD, NEW = "old.example.test", "t.example.test"


@dataclass
class Gone:
    """An appliance that has gone on since its backup: with another name, and another chain for it."""

    appliance: Deployed
    file: Path
    chains: dict[str, str]
    """Name -> chain: that of now, and that of the backup."""

    def dies(self, number: int) -> int:
        """Restore, dying before a change of the disk; return that number, or how many there are if it comes to its end."""
        ended = prepared.run([DYING_RESTORE, self.appliance.root, self.file, number])
        assert ended.returncode in {0, 9}, ended.stderr
        return number if ended.returncode == 9 else int(ended.stdout)

    @property
    def settings(self) -> str:
        return self.appliance.layout.settings.read_text()

    def serves(self) -> str:
        """Return the name whose chain is bound and served, and is the one in the settings."""
        (name,) = [name for name in (OLD, NEW) if f'"{name}"' in self.settings]
        chain = self.appliance.chains("tunnel")["default"]
        assert chain == self.chains[name]
        assert served(self.appliance.port, name) == chain
        return name


@pytest.fixture
def gone(tunnel, file):
    chains = {NEW: tunnel.chains("tunnel")["default"]}
    write_backup(file, *parts_of(file))
    passphrase_file(tunnel.root)
    settings = tunnel.layout.settings
    settings.write_text(settings.read_text().replace(NEW, OLD))
    tunnel.apply()
    return Gone(tunnel, file, {**chains, OLD: tunnel.chains("tunnel")["default"]})


def beginnings(gone: Gone, keep: Path) -> Iterator[None]:
    """Put everything back as it was, again and again."""
    layout = gone.appliance.layout
    places = {layout.etc: keep / "etc", layout.state: keep / "state"}
    for place, kept in places.items():
        shutil.copytree(place, kept, symlinks=True)
    while True:
        yield
        for place, kept in places.items():
            shutil.rmtree(place)
            shutil.copytree(kept, place, symlinks=True)
        gone.appliance.stop("toyd")
        gone.appliance.start("toyd", layout.module("tunnel").live / "toyd.conf")


def test_before_any_change_of_the_disk(gone, tmp_path_factory):
    appliance, found = gone.appliance, set()
    again = beginnings(gone, tmp_path_factory.mktemp("kept"))
    next(again)
    changes = gone.dies(0)
    assert changes > 60
    for number in range(1, changes + 1, EVERY):
        next(again)
        before = tree(appliance.layout.etc)
        assert gone.dies(number) == number
        assert served(appliance.port, OLD) == gone.chains[OLD], number
        decided = Replacement(appliance.layout).committed
        if not decided and OLD in gone.settings:  # at the very end it is done
            assert {
                path: seen for path, seen in tree(appliance.layout.etc).items() if ".restoring" not in path
            } == before
        appliance.apply()
        found.add((decided, gone.serves()))
        assert appliance.apply().performed == (), number
    assert (False, OLD) in found
    assert (True, NEW) in found
    assert (True, OLD) not in found


def test_once_decided_a_command_finishes_it_and_until_then_nothing_new_is_begun(gone, tmp_path_factory):
    layout = gone.appliance.layout
    again = beginnings(gone, tmp_path_factory.mktemp("kept"))
    next(again)
    number = gone.dies(0)
    while layout.database.exists() or not Replacement(layout).committed:
        next(again)
        number -= 1
        gone.dies(number)
    with pytest.raises(RestoreUnfinished):
        Store.open(layout)
    with pytest.raises((RestoreUnfinished, NoStateYet)) as caught:
        Store.open_existing(layout)
    assert caught.type is RestoreUnfinished
    assert caught.value.problem.fix.endswith("chainwright restore --finish")
    finished = command(gone.appliance.root, "restore", "--finish")
    assert (finished.returncode, finished.stderr) == (0, "The restore is finished.\n")
    assert command(gone.appliance.root, "restore", "--finish").stderr == "No restore was interrupted.\n"
    gone.appliance.apply()
    assert gone.serves() == NEW
