"""The audit record can't be washed out: what is repeated is counted, and what was changed, removed or put in is named."""

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from agent.auth.audit_chain import LOGGED_IN, LOGIN_FAILED, Series
from agent.auth.audit_log import CHANGES_A_DAY, KEPT, MOST_FAILED, OTHERS, AuditLog
from agent.auth.audit_verification import ends_are_good, verify_store
from agent.auth.person import Audit
from agent.errors.auth import TooManyChanges
from agent.errors.store import DatabaseRefused
from agent.store import Store
from agent.system.layout import Layout
from support.appliances.deployed import Deployed
from support.clients.terminal import Terminal
from support.paths import CHECKOUT
from support.waiting import until

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOME = "192.0.2.7"


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


@pytest.fixture
def store(layout):
    with Store.open(layout) as opened:
        yield opened


def add(store, action, subject="x", at=NOW, who="ann", address=HOME):
    with store.write():
        AuditLog(store).add(Audit(at, who, address, action, subject))


def changes(store, count):
    for number in range(count):
        add(store, "pin", f"site {number}", NOW + number * SECOND)


def faults(store):
    return verify_store(store).faults


def rows(store):
    return [(row.action, row.subject, row.times) for row in AuditLog(store).newest(1000)]


def row(number, subject, second):
    return f'row {number} of "change" (2026-11-01T12:00:0{second}+00:00, ann: pin {subject})'


def test_a_record_is_whole_as_it_grows(store):
    assert faults(store) == ()
    changes(store, 5)
    add(store, LOGGED_IN)
    found = verify_store(store)
    assert (found.whole, found.rows) == (True, 6)
    assert found.ends["change"].startswith("5, ")
    assert ends_are_good(AuditLog(store))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update audits set subject = 'site 9' where number = 2", (row(2, "site 9", 1) + " was changed",)),
        (
            "update audits set who = 'bob' where number = 3",
            (row(3, "site 2", 2).replace("ann", "bob") + " was changed",),
        ),
        ("update audits set times = 2 where number = 4", (row(4, "site 3", 3) + " was changed",)),
        ("delete from audits where number = 2", ('row 2 of "change" was removed',)),
        ("delete from audits where number in (2, 3)", ('rows 2 to 3 of "change" were removed',)),
        ("delete from audits where number >= 4", ('rows 4 to 5 of "change" were removed',)),
        ("delete from audits where number = 1", ('row 1 of "change" was removed',)),
        (
            (
                "insert into audits (at, who, address, action, subject, detail, series, number, times, link)"
                " select at, who, address, action, 'more', detail, series, 2, times, link from audits where number = 2"
            ),
            (row(2, "more", 1) + " was put in",),
        ),
        (
            (
                "insert into audits (at, who, address, action, subject, detail, times)"
                " select at, who, address, action, 'more', detail, 1 from audits where number = 2"
            ),
            ('row None of "None" (2026-11-01T12:00:01+00:00, ann: pin more) was put in',),
        ),
        ("delete from audit_ends", ('the signed ends of the series "change" were removed or changed',)),
        ("update audit_ends set number = 4", ('the signed ends of the series "change" were removed or changed',)),
        (
            "update audit_ends set first = 3, before = (select link from audits where number = 2)",
            ('the signed ends of the series "change" were removed or changed',),
        ),
    ],
)
def test_what_something_else_has_done_to_the_table_is_named_by_row(store, statement, said):
    changes(store, 5)
    with store.write():
        store.database.execute(statement)
    assert faults(store) == said


def test_a_row_after_one_that_was_removed_does_not_heal_the_chain(store):
    changes(store, 3)
    with store.write():
        store.database.execute("delete from audits where number = 3")
        store.database.execute("delete from audit_ends")
    add(store, "pin", "later", NOW + MINUTE)
    assert not verify_store(store).whole


def test_another_key_makes_no_chain(store, tmp_path):
    """Who can write the database, but has no master key, can't make the links."""
    changes(store, 2)
    with Store.open(Layout(tmp_path / "other")) as other:
        changes(other, 2)
        links = [each["link"] for each in AuditLog(other).rows(Series.CHANGE)]
    with store.write():
        store.database.execute("update audits set link = ? where number = 2", [links[1]])
    assert faults(store) == (row(2, "site 1", 1) + " was changed",)


def test_what_is_repeated_within_a_minute_is_counted_in_one_row(store):
    for second in range(50):
        add(store, LOGGED_IN, at=NOW + second * SECOND)
    assert rows(store) == [(LOGGED_IN, "x", 49), (LOGGED_IN, "x", 1)]
    add(store, "pin", at=NOW + 2 * MINUTE)
    assert rows(store) == [("pin", "x", 1), (LOGGED_IN, "x", 49), (LOGGED_IN, "x", 1)]
    (row_of_many,) = [each for each in AuditLog(store).newest(9) if each.times == 49]
    assert row_of_many.at == NOW + 49 * SECOND
    assert faults(store) == ()


def test_repetitions_that_something_else_has_put_in_are_not_signed(store):
    add(store, LOGGED_IN)
    with store.write():
        store.database.execute("update audit_repeats set who = 'bob', times = 7")
    add(store, "pin", at=NOW + 2 * MINUTE)
    assert rows(store) == [("pin", "x", 1), (LOGGED_IN, "x", 1)]


def test_failed_logins_from_thousands_of_addresses_are_a_few_rows_a_minute_and_push_no_change_out(store):
    add(store, "pin")
    for number in range(3000):
        add(store, LOGIN_FAILED, who="admin", address=f"2001:db8:0:{number:x}::/64", at=NOW)
    add(store, "unpin", at=NOW + 2 * MINUTE)
    found = AuditLog(store).newest(1000)
    failed = [each for each in found if each.action == LOGIN_FAILED]
    assert len(failed) == MOST_FAILED + 2
    assert sum(each.times for each in failed) == 3000
    assert {each.who for each in failed} == {"admin", OTHERS}
    assert {each.action for each in found} == {"pin", "unpin", LOGIN_FAILED}
    assert faults(store) == ()


def test_many_logins_push_out_no_change_and_what_stays_is_whole(store):
    changes(store, 2)
    record = AuditLog(store, {Series.CHANGE: 5, Series.LOGIN: 3, Series.FAILED: 3})
    with store.write():
        for number in range(10):
            record.add(Audit(NOW, "ann", HOME, LOGGED_IN, f"person {number}"))
    assert [each[1] for each in rows(store)] == ["person 9", "person 8", "person 7", "site 1", "site 0"]
    assert faults(store) == ()
    with store.write():
        store.database.execute("delete from audits where number = 8")
    assert faults(store) == ('row 8 of "login" was removed',)


def test_what_is_older_than_400_days_goes_and_the_rest_is_whole(store):
    changes(store, 3)
    add(store, "pin", "later", NOW + MINUTE)
    with store.write():
        AuditLog(store).prune(NOW + KEPT + 2 * SECOND)
    assert [each[1] for each in rows(store)] == ["later", "site 2"]
    assert faults(store) == ()
    changes(store, 2)
    assert faults(store) == ()


def test_rows_of_an_earlier_version_are_chained_with_a_row_that_says_so(store):
    with store.write():
        for action in ("pin", LOGGED_IN):
            store.database.execute(
                "insert into audits (at, who, address, action, subject, detail, times) values (?, 'ann', ?, ?, 's', '', 1)",
                [NOW.isoformat(), HOME, action],
            )
    assert faults(store) == ("its 2 rows are of an earlier version, and the next pass is to chain them",)
    add(store, "unpin", at=NOW + MINUTE)
    assert rows(store) == [
        ("unpin", "x", 1),
        ("record chained", "audit record", 1),
        (LOGGED_IN, "s", 1),
        ("pin", "s", 1),
    ]
    assert faults(store) == ()


def _half_a_change(store):
    AuditLog(store).add(Audit(NOW, "ann", HOME, "pin", "x"))
    store.database.execute("insert into audits (id) values (1)")


def test_a_transaction_that_is_undone_leaves_no_row_and_no_copy(store, caplog):
    caplog.set_level("INFO", "chainwright.audit")
    store.after_commit.append(lambda: pytest.fail("nothing was committed"))
    with pytest.raises(DatabaseRefused), store.write():
        _half_a_change(store)
    add(store, "unpin")
    assert [each.getMessage().partition(": ")[2] for each in caplog.records] == ["ann from 192.0.2.7: unpin x"]
    assert rows(store) == [("unpin", "x", 1)]


def test_the_journal_gets_a_line_with_fields_for_each_row(store, layout):
    place = layout.root / "run/systemd/journal/socket"
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(place))
        add(store, "chain uploaded", "shop\nMESSAGE=forged")
        sent = journal.recv(65536).decode()
    fields = dict(line.split("=", 1) for line in sent.splitlines())
    (link,) = [each["link"] for each in AuditLog(store).rows(Series.CHANGE)]
    assert fields["MESSAGE"] == f"change 1, {link[:12]}: ann from 192.0.2.7: chain uploaded shop?MESSAGE=forged"
    assert (fields["SYSLOG_IDENTIFIER"], fields["PRIORITY"]) == ("chainwright-audit", "6")
    assert (fields["CHAINWRIGHT_WHO"], fields["CHAINWRIGHT_LINK"]) == ("ann", link)


def test_nobody_fills_the_record_with_changes(store):
    with store.write():
        store.database.executemany(
            "insert into audits (at, who, series) values (?, 'token prog', 'change')",
            [[NOW.isoformat()]] * CHANGES_A_DAY,
        )
    record = AuditLog(store)
    record.check_rate("ann", NOW)
    with pytest.raises(TooManyChanges) as refused:
        record.check_rate("token prog", NOW + MINUTE)
    assert refused.value.retry_at == NOW + timedelta(days=1)
    record.check_rate("token prog", NOW + timedelta(days=1, seconds=1))
    record.check_rate("token prog", NOW - timedelta(days=3))


# On the appliance


@pytest.fixture
def console(appliance: Deployed) -> Terminal:
    with Store.open(appliance.layout) as opened:
        for name in ("a", "b", "c"):
            add(opened, "pin", name, appliance.clock())
    return Terminal(appliance.root)


def test_verify_says_that_the_record_is_whole_or_what_was_done_to_it_and_accept_begins_again(appliance, console):
    done = console.run("webui", "audit", "--verify")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "The audit record is whole: 3 rows.")
    with Store.open(appliance.layout) as opened, opened.write():
        opened.database.execute("delete from audits where number = 2")
    done = console.run("webui", "audit", "--verify")
    assert (done.returncode, done.stdout) == (1, 'row 2 of "change" was removed\n')
    assert done.stderr.splitlines()[0] == 'Error: The audit record isn\'t whole: row 2 of "change" was removed.'
    done = console.run("webui", "audit", "--verify", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["faults"] == ['row 2 of "change" was removed']
    assert console.run("webui", "audit", "--accept").stderr == "The audit record is taken as it is.\n"
    done = console.run("webui", "audit", "--verify")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "The audit record is whole: 3 rows.")
    newest = json.loads(console.run("webui", "audit", "--json").stdout)["audit"][0]
    assert (newest["action"], newest["detail"]) == ("record accepted", 'row 2 of "change" was removed; 1 in all')


def test_a_pass_finds_a_broken_end_at_once_and_a_changed_row_within_a_day(tunnel):
    def codes():
        with tunnel.store() as opened:
            return [each.problem.code for each in opened.conditions.of("audit record")]

    with tunnel.store() as opened:
        changes(opened, 3)
    tunnel.apply()
    assert codes() == []
    with tunnel.store() as opened, opened.write():
        opened.database.execute("update audits set who = 'bob' where number = 1")
    tunnel.clock.advance(hours=25)
    tunnel.apply()
    assert codes() == ["people.audit_broken"]
    with tunnel.store() as opened, opened.write():
        opened.conditions.replace("audit record", [], tunnel.clock())
        opened.database.execute("delete from audits where number = 3")
    tunnel.settings(tunnel.layout.settings.read_text() + "# a change, so that there is a pass\n")
    tunnel.apply()
    assert codes() == ["people.audit_broken"]


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from agent.auth.audit_log import AuditLog
from agent.auth.person import Audit
from agent.store import Store
from agent.system.layout import Layout

with Store.open(Layout(Path(sys.argv[1]))) as store:
    for number in range(100_000):
        with store.write():
            AuditLog(store).add(Audit(datetime.now(UTC), "ann", "192.0.2.7", "pin", f"site {number}"))
"""


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_record(store, layout):
    for times in range(1, 4):
        wanted = 15 * times
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(layout.root)], cwd=CHECKOUT)
        try:
            until(lambda: verify_store(store).rows >= wanted, seconds=60, what="it has written some rows")  # noqa: B023
        finally:
            writer.kill()
            writer.wait()
        assert faults(store) == ()
    changes(store, 1)
    assert faults(store) == ()
