"""One of the two daemons refuses: neither switches."""

import re
import socket
import subprocess
import sys

import pytest

from agent.model.deployment import Outcome
from plugins.mail.postfix import FILES, RELOAD
from support.appliances.mailed import MAIN, NAMES, OWN, Mailed

pytestmark = pytest.mark.root
ANOTHER = "mail.c.test"


def lines_of(box: Mailed) -> str:
    problem = box.deployment("mail").problem
    return "\n".join(problem.lines()).replace(str(box.root), "ROOT").replace(sys.executable, "python")


def greeting(box: Mailed, door: str) -> str:
    with socket.create_connection(("127.0.0.1", box.ports[door]), timeout=20) as plain:
        return plain.makefile("r").readline()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("in_postfix", "in_dovecot", "named"),
    [
        ("foo bar", "", "missing '=' after attribute name"),
        ("smtpd_tls_loglevel = 0", "ssl_sert = no", "Unknown setting: ssl_sert"),
        ("", "ssl_ca = </nowhere.pem", "ssl_ca: Can't open file /nowhere.pem"),
    ],
)
def test_a_configuration_that_one_refuses_is_taken_by_neither_and_a_new_name_by_both(
    mailing, in_postfix, in_dovecot, named
):
    mailing.override("mail/main.cf.j2", f'{{% include "default:main.cf.j2" %}}\nsmtpd_banner = changed\n{in_postfix}\n')
    mailing.override(
        "mail/dovecot.conf.j2", f'{{% include "default:dovecot.conf.j2" %}}\nlogin_greeting = changed\n{in_dovecot}\n'
    )
    mailing.configure(domains=[*NAMES, ANOTHER])
    mailing.apply()
    assert [each.problem.cause for each in mailing.refusals() if named in each.problem.cause]
    assert "changed" not in greeting(mailing, "smtp") + greeting(mailing, "imap")
    assert {mailing.leaf(door, ANOTHER) for door in ("smtps", "imaps")} == {mailing.chains()[ANOTHER]}
    mailing.assert_served()


def test_a_mistake_in_the_list_of_postfixs_processes_is_named(mailing):
    mailing.override("mail/master.cf.j2", '{% include "default:master.cf.j2" %}\n25 inet n\n')
    mailing.apply()
    assert mailing.deployment("mail").outcome is Outcome.REFUSED
    assert "bad field count" in lines_of(mailing)
    assert (mailing.runner.count("dovecot_reload"), mailing.runner.count(" reload")) == (0, 0)
    mailing.assert_served()


def test_new_chains_go_on_with_the_last_good_configuration(mailing):
    mailing.override("mail/main.cf.j2", '{% include "default:main.cf.j2" %}\nfoo bar\n')
    before = mailing.chains()
    mailing.renew()
    mailing.apply()
    assert set(before.values()).isdisjoint(mailing.chains().values())
    mailing.assert_served()


def test_when_one_does_not_take_the_new_chains_the_other_gives_them_back(mailed):
    """Its reload "works", and goes to somebody else."""
    mailed.bring_up()
    before = mailed.seen()
    with subprocess.Popen(
        ["/bin/sh", "-c", "trap '' HUP; echo; while sleep 0.1; do :; done"], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"\n"
        pid_file = mailed.root / "other.pid"
        pid_file.write_text(str(other.pid))
        mailed.configure(dovecot={**OWN, "pid_file": "/other.pid"})
        mailed.apply()
        mailed.renew()
        mailed.apply()
        deployment = mailed.deployment("mail")
        assert deployment.outcome is Outcome.ROLLED_BACK
        assert deployment.problem.code == "deploy.wrong_chain"
        assert mailed.seen() == before
        other.kill()
    mailed.configure(dovecot=OWN)
    mailed.clock.advance(minutes=2)
    mailed.apply()
    assert mailed.deployment("mail").outcome is Outcome.LIVE
    mailed.assert_served()


def test_what_ends_every_smtpd_is_rolled_back_with_what_postfix_logs_of_it(mailing):
    """Its check and its reload both call it good."""
    before = mailing.seen()
    fatal = "smtpd_tls_security_level = maybe"
    mailing.override("mail/main.cf.j2", f'{{% include "default:main.cf.j2" %}}\n{fatal}\n')
    mailing.apply()
    deployment = mailing.deployment("mail")
    assert deployment.outcome is Outcome.ROLLED_BACK
    assert deployment.problem.cause == ('The reload failed (postfix_files): smtpd: fatal: Invalid TLS level "maybe".')
    assert mailing.seen() == before


def reload_postfix(box: Mailed, *command: object) -> subprocess.CompletedProcess[str]:
    directory, pid_file = box.live("mail") / "postfix", box.pid_files["postfix"]
    argv = [sys.executable, "-P", RELOAD, "/usr/sbin", directory, pid_file, *command]
    return subprocess.run([str(each) for each in argv], capture_output=True, text=True, timeout=60, check=False)


def test_a_reload_that_postfix_did_not_take_is_seen_and_sessions_are_none_of_it(mailing):
    directory = mailing.live("mail") / "postfix"
    mailing.leaf("smtp")
    not_taken = reload_postfix(mailing, "/bin/true")
    assert not_taken.returncode == 1
    assert re.fullmatch(
        r"postfix has not taken the reload: \d+ of its processes are those from before\n\n", not_taken.stderr
    )
    with mailing.connect("smtp") as session:
        taken = reload_postfix(mailing, "/usr/sbin/postfix", "-c", directory, "reload")
        assert (taken.returncode, taken.stderr) == (0, "")
        session.sendall(b"EHLO client.test\r\n")
        assert session.recv(4)[:4] == b"250-"


def make(box: Mailed, postmap: str = "/usr/sbin/postmap", *more: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-P", str(FILES), postmap, "hash", str(box.live("mail") / "postfix"), *more]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_a_name_that_postmap_leaves_out_is_a_failure_and_leaves_no_map(mailed):
    mailed.apply()
    place = mailed.live("mail") / "postfix"
    (place / "sni.db").unlink()
    (mailed.live("mail") / f"chains/{NAMES[0]}.pem").unlink()
    result = make(mailed)
    assert result.returncode == 1
    assert "skipping this entry" in result.stderr
    assert not (place / "sni.db").exists()


def test_what_is_there_is_not_made_again_and_what_is_not_installed_is_told(mailed):
    mailed.apply()
    place = mailed.live("mail") / "postfix"
    before = (place / "sni.db").stat().st_mtime_ns
    assert make(mailed, "/usr/sbin/no-postmap").returncode == 0
    assert (place / "sni.db").stat().st_mtime_ns == before
    (place / "sni.db").unlink()
    result = make(mailed, "/usr/sbin/no-postmap")
    assert (result.returncode, result.stderr) == (127, "/usr/sbin/no-postmap is not installed\n")
    result = make(mailed, "/usr/sbin/postmap", "/usr/sbin/no-postfix", "reload")
    assert (result.returncode, result.stderr) == (127, "/usr/sbin/no-postfix is not installed\n")
    assert make(mailed, "/usr/sbin/postmap", "/bin/echo", MAIN).stdout == f"{MAIN}\n"
