"""What is to be put in place of keys and settings is there whole, or not at all, also where a file can't be moved."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.errors.backup import RestoreImpossible
from agent.system.layout import Layout
from agent.system.replacement import Replacement

NOW = datetime(2026, 11, 30, tzinfo=UTC)
ASIDE = "before-restore-20261130T000000Z"


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def fill(layout: Layout, word: str, *more: str) -> None:
    """Write keys and settings."""
    for directory, names in (
        (layout.private, ("chainwright.db", "master.key")),
        (layout.etc, ("chainwright.toml", *more)),
    ):
        directory.mkdir(parents=True, exist_ok=True)
        for name in names:
            (directory / name).write_text(word)


def decided(layout: Layout) -> Replacement:
    """Return a replacement that nothing but its renames is left of."""
    replacement = Replacement(layout)
    replacement.begin()
    fill(replacement.staged, "new", "conf.toml")
    replacement.commit(NOW)
    return replacement


def content(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}


def obstacle_in(layout: Layout, place: str) -> Path:
    """Put something where a rename leads, after it was decided; return it."""
    if place == "a setting":
        (found := layout.etc / "conf.toml").mkdir()
        (found / "in the way").touch()
    else:
        (found := (layout.state if place == "keys aside" else layout.etc) / ASIDE).touch()
    return found


@pytest.mark.parametrize("place", ["keys aside", "settings aside", "a setting"])
def test_where_one_rename_cannot_be_made_all_are_taken_back(layout, place):
    fill(layout, "old")
    replacement = decided(layout)
    in_the_way = obstacle_in(layout, place)
    before = content(layout.private), content(layout.etc)
    with pytest.raises(RestoreImpossible) as caught:
        Replacement(layout).finish()
    assert caught.value.problem.where.startswith(str(layout.root))
    assert not replacement.committed
    assert (content(layout.private), content(layout.etc)) == before
    assert not replacement.directory.exists()
    assert not replacement.settings.exists()
    Replacement(layout).finish()  # there is nothing left to go on with
    assert (content(layout.private), content(layout.etc)) == before
    assert in_the_way.exists()


@pytest.mark.parametrize("back", range(3))
def test_what_was_half_taken_back_when_the_process_died_is_gone_on_with(layout, back):
    fill(layout, "old")
    decided(layout)
    aside = layout.state / ASIDE
    aside.mkdir()
    names = ("chainwright.db", "master.key")
    for name in names[back:]:
        (layout.private / name).rename(aside / name)
    Replacement(layout).finish()
    assert content(layout.private) == dict.fromkeys(names, "new")
    assert content(layout.etc) == {"chainwright.toml": "new", "conf.toml": "new"}
    assert content(aside) == dict.fromkeys(names, "old")


def test_keys_on_a_file_system_of_their_own_are_replaced_within_it(layout):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as volume:
        if Path(volume).stat().st_dev == layout.root.stat().st_dev:
            pytest.skip("temporary directories are on the same file system")
        layout.state.mkdir(parents=True)
        layout.private.symlink_to(volume)
        fill(layout, "old")
        assert decided(layout).directory.parent == layout.private
        Replacement(layout).finish()
        fill(layout, "newer")
        decided(layout)
        Replacement(layout).finish()
        assert content(layout.private) == {"chainwright.db": "new", "master.key": "new"}
        assert content(layout.private / ASIDE) == {"chainwright.db": "old", "master.key": "old"}
        assert content(layout.private / f"{ASIDE}-2") == {"chainwright.db": "newer", "master.key": "newer"}
