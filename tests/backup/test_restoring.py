"""A backup is restored on another machine, or on the same one, and goes on with what is in it."""

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from agent.model.events import EventKind
from agent.system.lock import held
from agent.system.replacement import Replacement
from support.appliances.carried import (
    another_machine,
    assert_differences_told,
    backed_up,
    command,
    parts_of,
    passphrase_file,
    restored,
    restored_elsewhere,
    tree,
)
from support.appliances.deployed import Deployed, served
from support.ports import free_port


def serve(other: Deployed, port: int) -> None:
    """Start the daemon on a port of this machine's."""
    settings = other.layout.settings
    settings.write_text(re.sub(r"port = \d+", f"port = {port}", settings.read_text()))
    other.apply()
    other.start("toyd", other.layout.module("tunnel").live / "toyd.conf")
    other.apply()


def everything(appliance: Deployed) -> dict[str, object]:
    """Return what has to be the same wherever it is restored."""
    tables = ("roots", "account_keys", "people", "tokens", "audits", "ledger", "pins", "peers", "revocations", "orders")
    with appliance.store() as store:
        rows = {name: store.database.execute(f"select * from {name}").fetchall() for name in tables}
        keys = [store.chains.load(each.id).key for each in store.chains.records()]
        root = store.roots.load()
    rows["audits"] = [row for row in rows["audits"] if row[4] not in {"backup made", "backup restored"}]
    return {**rows, "chains": appliance.chains("tunnel"), "keys": len(keys), "root": root.key_pem()}


def test_another_machine_goes_on_with_the_same_chains_root_and_people(tunnel, file):
    before = everything(tunnel)
    with another_machine() as other:
        made = restored(other.root, file, "--no-apply")
        assert made.returncode == 0, made.stderr
        serve(other, port := free_port())
        assert everything(other) == before
        assert served(port, "t.example.test") == before["chains"]["default"]
        assert other.deployment("tunnel").outcome is Outcome.LIVE


def test_and_from_there_to_a_third_one(tunnel, file):
    before = everything(tunnel)
    with another_machine() as other, another_machine() as third:
        restored(other.root, file, "--no-apply")
        restored(third.root, backed_up(other), "--no-apply")
        assert everything(third) == before
        serve(third, port := free_port())
        assert served(port, "t.example.test") == before["chains"]["default"]


def test_it_is_deployed_at_once_and_what_differs_or_waits_for_its_service_is_said(tunnel, file):
    tunnel.stop("toyd")
    with another_machine() as other:
        made = restored_elsewhere(other.root, file)
        assert made.returncode == 0, made.stderr
        assert "Restored from " in made.stderr
        assert_differences_told(made.stderr)
        with other.store() as store:
            (event,) = [each for each in store.journal.since() if each.kind is EventKind.RESTORED]
        assert_differences_told("\n".join(event.detail["differences"]))
        assert other.deployment("tunnel").outcome is Outcome.WAITING
        assert (other.layout.module("tunnel").live / "toyd.conf").exists()


def test_the_settings_are_back_with_their_modes_and_belong_to_root(tunnel):
    secret = tunnel.layout.etc / "secret"
    secret.write_text("hidden")
    secret.chmod(0o600)
    deep = tunnel.layout.etc / ("d" * 60) / ("e" * 60) / "of-a-long-name.pem"
    deep.parent.mkdir(parents=True)
    deep.write_text("deep")
    deep.chmod(0o4755)
    linked = tunnel.layout.etc / "linked.pem"
    linked.symlink_to(secret)
    file = backed_up(tunnel)
    with another_machine() as other:
        restored(other.root, file, "--no-apply")
        there = {path: other.layout.etc / path.relative_to(tunnel.layout.etc) for path in (secret, deep, linked)}
        assert {path.name: path.read_text() for path in there.values()} == {
            "secret": "hidden",
            "of-a-long-name.pem": "deep",
            "linked.pem": "hidden",
        }
        assert not there[linked].is_symlink()
        assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in there.values()] == ["0o600", "0o755", "0o600"]
        assert {path.name for path in other.layout.etc.iterdir()} == {path.name for path in tunnel.layout.etc.iterdir()}
        private = {stat.S_IMODE(path.stat().st_mode) for path in other.layout.private.iterdir()}
        assert private == {0o600}
        assert not (other.layout.state / "restoring").exists()


def test_where_something_is_already_it_is_refused(tunnel, file):
    before = tree(tunnel.layout.etc, tunnel.layout.state)
    made = restored(tunnel.root, file)
    assert made.returncode == 1
    assert made.stderr == (
        f"Error: {tunnel.layout.state}: There are settings or keys here already: {tunnel.layout.database}, "
        f"{tunnel.layout.master_key}, {next(iter(sorted(tunnel.layout.private.glob('*.sealed'))))} and 2 more.\n"
        "Nothing was changed. Move all of it aside and restore with: chainwright restore FILE --replace\n"
    )
    assert tree(tunnel.layout.etc, tunnel.layout.state) == before


def test_what_was_there_goes_aside_whole_and_what_is_deployed_stays(tunnel, file):
    before, settings = tunnel.chains("tunnel"), tunnel.layout.settings
    settings.write_text(settings.read_text().replace("t.example.test", "other.example.test"))
    tunnel.apply()
    live = tunnel.live("tunnel")
    replaced = tree(tunnel.layout.etc)
    assert tunnel.chains("tunnel") != before
    made = restored(tunnel.root, file, "--replace", "--no-apply")
    assert made.returncode == 0, made.stderr
    aside = [Path(line.split(" in ")[1]) for line in made.stderr.splitlines() if line.startswith("What was there")]
    assert [each.parent for each in aside] == [tunnel.layout.state, tunnel.layout.etc]
    moved = {path.replace(str(aside[1]), str(tunnel.layout.etc)): seen for path, seen in tree(aside[1]).items()}
    assert moved == replaced
    assert live.exists()
    tunnel.apply()
    assert tunnel.chains("tunnel") == before
    assert served(tunnel.port, "t.example.test") == before["default"]
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE


def test_a_module_that_the_backup_does_not_know_is_taken_out(appliance):
    from support.appliances.api import make_tunnel

    make_tunnel(appliance)
    settings = appliance.layout.settings.read_text()
    file = backed_up(appliance)
    appliance.layout.settings.write_text(
        settings + '[modules.second]\nplugin = "tunnel"\ndomain = "s.example.test"\nport = 1\n'
    )
    appliance.apply()
    assert appliance.layout.module("second").live.exists()
    restored(appliance.root, file, "--replace", "--no-apply")
    appliance.apply()
    assert not appliance.layout.module("second").live.exists()


@contextmanager
def at_work(appliance: Deployed, what: str) -> Iterator[Path]:
    """Have this process hold what an agent, a pass, or an ``apply`` that waits for its CA does; give where it is."""
    path = {"agent": appliance.layout.daemon_lock, "pass": appliance.layout.lock}.get(what, appliance.layout.database)
    if what == "order":
        with appliance.store() as store, store.write():
            store.orders.lease("t.example.test", "acme", datetime.now(UTC))
        yield path
    else:
        with held(path, wait=0):
            yield path


@pytest.mark.parametrize("what", ["agent", "pass", "order"])
def test_while_the_agent_is_at_work_it_is_refused_with_who_is_and_nothing_changes(tunnel, what):
    file = tunnel.root / "never read"
    file.touch()
    with at_work(tunnel, what) as path:
        passphrase_file(tunnel.root)
        before = tree(tunnel.layout.etc, tunnel.layout.state)
        made = restored(tunnel.root, file, "--replace", "--wait", "0")
        assert tree(tunnel.layout.etc, tunnel.layout.state) == before
    assert made.returncode == 5
    first, second = made.stderr.splitlines()
    assert first.startswith(f"Error: {path}: The agent is running (pid {os.getpid()}, ")
    assert first.endswith("), and would go on with what a restore replaces.")
    stop = "Stop it first, or wait until it ends: systemctl stop chainwright chainwright-web (or rc-service NAME stop)"
    assert second == f"It goes on as before; nothing was changed. {stop}"


@pytest.mark.parametrize("by", ["apply", "boot", "a change"])
def test_what_was_decided_and_can_not_be_finished_is_taken_back_and_everything_goes_on(tunnel, by):
    before = everything(tunnel)
    layout, now = tunnel.layout, tunnel.clock()
    replacement = Replacement(layout)
    replacement.begin()
    replacement.staged.private.mkdir(parents=True)
    (replacement.staged.private / "master.key").write_text("of the backup")
    replacement.commit(now)
    (in_the_way := layout.state / f"before-restore-{now:%Y%m%dT%H%M%SZ}").touch()
    if by == "boot":
        tunnel.engine().boot()
    elif by == "apply":
        tunnel.apply()
    else:
        tunnel.change(lambda state: None)
    assert not replacement.committed
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert everything(tunnel) == before
    reason = f"{in_the_way}: The backup can't be put in place: file exists."
    with tunnel.store() as store:
        events = [each.text for each in store.journal.since() if each.kind is EventKind.RESTORE_TAKEN_BACK]
        (told,) = [each.problem for each in store.conditions.of("recovery")]
    assert (events, f"{told.where}: {told.cause}") == ([reason], reason)


def test_a_look_says_what_is_in_it_and_changes_nothing(tunnel, file):
    with another_machine() as other:
        before = tree(other.root)
        made = restored_elsewhere(other.root, file, "--dry-run")
        assert made.returncode == 0, made.stderr
        assert_differences_told(made.stdout)
        assert "tunnel/default  t.example.test" in made.stdout
        assert made.stdout.endswith("The backup is whole. Nothing was changed.\n")
        shown = json.loads(restored(other.root, file, "--dry-run", "--json").stdout)
        assert shown["counts"]["chains"] == 1
        after = tree(other.root)
        after.pop(str(other.root / "passphrase"))
        assert after == before


def test_what_belongs_to_the_other_machine_alone_is_not_carried(tunnel):
    with tunnel.store() as store, store.write():
        for table, columns in (
            ("sessions", "sha256, person"),
            ("devices", "sha256, person"),
            ("login_failures", "key, failures"),
            ("jobs", "id, action"),
        ):
            store.database.execute(f"insert into {table} ({columns}) values ('of-this-machine', '1')")
        store.database.execute(
            "insert into orders (request, source, lease_process, lease_at) values ('r', 'acme', 'of-this-machine', 'x')"
        )
    manifest, contents = parts_of(backed_up(tunnel))
    assert b"of-this-machine" not in contents["database"]
    assert not any("clock" in part["path"] or "lock" in part["path"] for part in manifest["parts"])


def test_it_is_in_both_records_and_in_the_events(tunnel, file):
    with tunnel.store() as store:
        (made,) = [each.text for each in store.journal.since() if each.kind is EventKind.BACKUP_MADE]
    assert made.endswith(f"has made a backup: {file}")
    with another_machine() as other:
        restored(other.root, file, "--no-apply")
        with other.store() as store:
            actions = [row[0] for row in store.database.execute("select action from audits order by id desc limit 2")]
            (event,) = [each for each in store.journal.since() if each.kind is EventKind.RESTORED]
        assert actions == ["backup restored", "backup made"]
        assert event.detail["differences"] == []
        assert command(other.root, "webui", "audit", "--verify").returncode == 0


def test_lists_of_revoked_certificates_jump_ahead_of_the_other_machine(tunnel):
    with tunnel.store() as store, store.write():
        store.database.execute(
            "insert into revocation_lists (root, number, this_update, next_update, serials, pem)"
            " values ('r', 7, '2026-01-01T00:00:00+00:00', '2026-02-01T00:00:00+00:00', '[]', '')"
        )
    file = backed_up(tunnel)
    with another_machine() as other:
        restored(other.root, file, "--no-apply")
        with other.store() as store:
            assert store.revocations.lists()["r"].number == 1_000_007


@pytest.mark.parametrize("database", [None, b"no database at all" * 1000])
def test_where_the_database_is_lost_or_damaged_generations_are_made_after_those_on_disk(tunnel, file, database):
    before, live = tunnel.chains("tunnel"), tunnel.live("tunnel").name
    for path in tunnel.layout.private.glob("chainwright.db*"):
        path.unlink()
    if database:
        tunnel.layout.database.write_bytes(database)
    made = restored(tunnel.root, file, "--replace", "--no-apply")
    assert made.returncode == 0, made.stderr
    assert "What is deployed here can't be told, as the database that is replaced can't be read" in made.stderr
    assert served(tunnel.port, "t.example.test") == before["default"]
    tunnel.apply()
    assert tunnel.chains("tunnel") == before
    assert int(tunnel.live("tunnel").name) > int(live)
    assert served(tunnel.port, "t.example.test") == before["default"]
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
