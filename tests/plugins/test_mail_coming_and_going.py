"""Mail daemons that do not run yet, no longer, or are not installed: waited for, never a rollback."""

import pytest

from agent.model.deployment import Outcome, Step
from support.appliances.mailed import MAIN, OWN, Mailed
from support.processes import prepared
from support.told import told

pytestmark = pytest.mark.root


def problem_of(box: Mailed) -> str:
    deployment = box.deployment("mail")
    assert deployment.outcome is Outcome.WAITING
    return deployment.problem.cause.replace(str(box.root), "ROOT")


NO_DOVECOT = "The service can't be reloaded: no process has the number in ROOT/run/chainwright/dovecot/master.pid."
NO_POSTFIX = (
    "The service can't be reloaded: no process has the number in ROOT/var/spool/chainwright-postfix/pid/master.pid."
)


def test_while_neither_runs_everything_is_in_place_and_waits_until_somebody_starts_them(mailed):
    mailed.apply()
    assert problem_of(mailed) == NO_DOVECOT
    for service in mailed.pid_files:
        mailed.start_daemon(service)
    mailed.assert_served()
    mailed.runner.ran.clear()
    mailed.apply()
    assert mailed.deployment("mail").outcome is Outcome.LIVE
    assert mailed.deployment("mail").problem is None
    assert [each for each in mailed.runner.ran if " observe " not in str(each)] == []


@pytest.mark.parametrize(("down", "up", "door"), [("dovecot", "postfix", "smtps"), ("postfix", "dovecot", "imaps")])
def test_one_that_does_not_run_keeps_no_new_chain_from_the_other(mailing, down, up, door):
    mailing.kill(down)
    mailing.renew()
    mailing.configure(probe_timeout=1)
    mailing.apply()
    assert problem_of(mailing) == {"dovecot": NO_DOVECOT, "postfix": NO_POSTFIX}[down]
    assert mailing.leaf(door, MAIN) == mailing.chains()["default"]
    mailing.start_daemon(down)
    mailing.configure(probe_timeout=5)
    mailing.apply()
    assert mailing.deployment("mail").outcome is Outcome.LIVE
    mailing.assert_served()


def test_the_agent_starts_them_where_it_may(mailed):
    starting = {**OWN, "start": True}
    mailed.configure(postfix=starting, dovecot=starting)
    mailed.apply()
    assert mailed.deployment("mail").outcome is Outcome.LIVE
    mailed.assert_served()


def test_what_waits_since_boot_is_in_service_with_the_pass_that_starts_it(mailed):
    starting = {**OWN, "start": True}
    mailed.configure(postfix=starting, dovecot=starting)
    assert prepared.run(["-P", "-m", "agent", "--root", mailed.root, "boot"]).returncode == 0
    assert mailed.deployment("mail").outcome is Outcome.WAITING
    mailed.apply()
    mailed.assert_live()
    mailed.assert_served()


def test_both_are_found_dead_by_the_next_look_and_picked_up_when_they_are_back(mailing):
    for service in mailing.pid_files:
        mailing.kill(service)
    mailing.clock.advance(minutes=16)
    mailing.apply()
    assert {each.problem.code for each in mailing.records()} == {"deploy.service_stopped"}
    for service in mailing.pid_files:
        mailing.start_daemon(service)
    mailing.apply()
    assert mailing.deployment("mail").outcome is Outcome.LIVE


def test_while_dovecot_is_not_installed_postfix_gets_its_chains(mailed):
    absent = {**OWN, "binary": "/usr/sbin/no-such", "doveconf": "/usr/bin/no-such-doveconf"}
    mailed.configure(dovecot=absent, probe_timeout=1)
    mailed.apply()
    assert problem_of(mailed) == "The service can't be reloaded: /usr/bin/no-such-doveconf is not installed."
    mailed.start_daemon("postfix")
    mailed.apply()
    assert mailed.leaf("smtps", MAIN) == mailed.chains()["default"]
    mailed.configure(dovecot=OWN, probe_timeout=5)
    mailed.apply()
    mailed.start_daemon("dovecot")
    mailed.apply()
    assert mailed.deployment("mail").outcome is Outcome.LIVE
    mailed.assert_served()


def test_what_postfix_has_to_make_itself_is_made_when_it_is_installed(mailed):
    programs = mailed.root / "sbin"
    mailed.configure(postfix={**OWN, "programs": str(programs)}, probe_timeout=1)
    mailed.apply()
    mailed.start_daemon("dovecot")
    mailed.apply()
    assert problem_of(mailed) == NO_POSTFIX
    assert mailed.leaf("imaps", MAIN) == mailed.chains()["default"]
    made = mailed.live("mail") / "postfix/sni.db"
    assert not made.exists()
    programs.symlink_to("/usr/sbin")
    (mailed.root / "var/spool/chainwright-postfix").mkdir(parents=True)
    mailed.start_daemon("postfix")
    mailed.configure(probe_timeout=5)
    mailed.apply()
    assert mailed.deployment("mail").outcome is Outcome.LIVE
    assert made.stat().st_mode & 0o777 == 0o600
    mailed.assert_served()


def test_both_let_go_of_a_module_that_is_gone_and_what_postfix_still_serves_is_said(mailing):
    """postfix has no configuration without a module, so nobody can tell it anything."""
    mailing.settings('hostname = "gw"\naddresses = ["127.0.0.1"]\n[probe]\ntimeout = 1\n')
    mailing.apply()
    with pytest.raises(ConnectionRefusedError):
        mailing.leaf("imaps")
    assert list(mailing.layout.modules.rglob("*.pem")) == []
    problem = mailing.deployment("mail").problem
    assert problem.code == "deploy.still_served"
    assert "127.0.0.1:" in problem.cause
    mailing.kill("postfix")
    mailing.apply(retry=True)
    with mailing.store() as store:
        assert store.deployments.all() == {}


GONE = 'hostname = "gw"\naddresses = ["127.0.0.1"]\n[probe]\ntimeout = 1\n'
CRASHES = [*(step for step in Step if step is not Step.GOING_BACK), "rename:1"]


def leaf_or_none(box: Mailed, door: str) -> str:
    try:
        return box.leaf(door)
    except ConnectionRefusedError:
        return ""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_while_mail_is_taken_out_of_both_leaves_what_they_start_with_and_the_next_pass_goes_on(mailing, crash):
    before = {door: mailing.leaf(door) for door in ("smtps", "imaps")}
    mailing.settings(GONE)
    mailing.dies_at(crash)
    for door, leaf in before.items():
        assert leaf_or_none(mailing, door) in {leaf, ""}
    assert mailing.layout.service("dovecot").live.exists()
    mailing.kill("postfix")
    mailing.apply(retry=True)
    assert leaf_or_none(mailing, "imaps") == ""
    assert list(mailing.layout.modules.rglob("*.pem")) == []
    with mailing.store() as store:
        assert (store.deployments.all(), store.deployments.transactions()) == ({}, [])


@pytest.mark.sampled(1)
@pytest.mark.parametrize("step", [Step.SWITCHING, Step.RELOADING, Step.KEEPING])
def test_mail_that_is_wanted_again_after_such_a_crash_is_served_again(mailing, step):
    wanted = mailing.layout.settings.read_text()
    mailing.settings(GONE)
    mailing.dies_at(step)
    mailing.layout.settings.write_text(wanted)
    for _ in range(2):
        mailing.apply(retry=True)
        for service in mailing.pid_files:
            if mailing.master(service) is None:
                mailing.start_daemon(service)
    mailing.apply(retry=True)
    assert mailing.deployment("mail").outcome is Outcome.LIVE
    mailing.assert_served()
    assert told(mailing) == []
