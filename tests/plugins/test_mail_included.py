"""Mail on the administrator's own postfix and dovecot: their files name ours, and nothing of theirs is overwritten."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.model.deployment import Outcome
from support.appliances.deployed import run_quietly
from support.appliances.mailed import DOVECOT, LISTENERS, Mailed
from support.clients.terminal import Terminal
from support.waiting import until

pytestmark = pytest.mark.root
OF_POSTFIX = ("smtp", "submission", "smtps")
INCLUDED = {"main": "include", "manager": "commands"}
MAIN_CF = """# The administrator's.
compatibility_level = 3.6
queue_directory = {root}/var/spool/postfix
data_directory = {root}/var/lib/postfix
maillog_file = {root}/postfix.log
maillog_file_prefixes = {root}
myhostname = their.example.test
mydestination = their.example.test
alias_maps =
"""
DOVECOT_CONF = {
    "2.3": """# The administrator's.
base_dir = {root}/run/dovecot
state_dir = {root}/var/lib/dovecot
log_path = {root}/dovecot.log
protocols = imap pop3
ssl_cert = <{root}/their.pem
ssl_key = <{root}/their.pem
passdb {{
  driver = pam
}}
userdb {{
  driver = passwd
}}
{listeners}
!include_try {root}/etc/dovecot/conf.d/*.conf
""",
    "2.4": """# The administrator's.
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = {root}/run/dovecot
state_dir = {root}/var/lib/dovecot
log_path = {root}/dovecot.log
protocols = imap pop3
ssl_server_cert_file = {root}/their.pem
ssl_server_key_file = {root}/their.pem
passdb pam {{
}}
userdb passwd {{
}}
{listeners}
!include_try {root}/etc/dovecot/conf.d/*.conf
""",
}
ADDRESS = {"2.3": "address", "2.4": "listen"}[DOVECOT]
"""How a listener's address is called."""
PROCESSES = """\
cleanup   unix       n  -  n  -    0  cleanup
qmgr      unix       n  -  n  300  1  qmgr
tlsmgr    unix       -  -  n  -    1  tlsmgr
rewrite   unix       -  -  n  -    -  trivial-rewrite
proxymap  unix       -  -  n  -    -  proxymap
anvil     unix       -  -  n  -    1  anvil
postlog   unix-dgram n  -  n  -    1  postlogd
"""


class Included(Mailed):
    """The administrator has a postfix and a dovecot."""

    @property
    def pid_files(self) -> dict[str, Path]:
        return {
            "postfix": self.root / "var/spool/postfix/pid/master.pid",
            "dovecot": self.root / "run/dovecot/master.pid",
        }

    @property
    def main_cf(self) -> Path:
        return self.root / "etc/postfix/main.cf"

    @property
    def dovecot_conf(self) -> Path:
        return self.root / "etc/dovecot/dovecot.conf"

    def write_their_files(self) -> None:
        for path in (
            self.main_cf,
            self.dovecot_conf,
            self.root / "var/spool/postfix/x",
            self.root / "var/lib/dovecot/x",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
        (self.root / "etc/dovecot/conf.d").mkdir()
        own_pair = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        pair = str(self.root / "their.pem")
        subprocess.run(
            [*own_pair, "-subj", "/CN=their.example.test", "-keyout", pair, "-out", f"{pair}.crt"],
            check=True,
            capture_output=True,
        )
        Path(pair).write_text(Path(pair).read_text() + Path(f"{pair}.crt").read_text())
        self.main_cf.write_text(MAIN_CF.format(root=self.root))
        self.dovecot_conf.write_text(DOVECOT_CONF[DOVECOT].format(root=self.root, listeners=self._listeners()))
        (self.main_cf.parent / "master.cf").write_text(self._processes())

    def _listeners(self) -> str:
        doors = [door for door in LISTENERS if door[:4] in {"imap", "pop3"}]
        return "".join(
            f"service {door[:4]}-login {{\n  inet_listener {door} {{\n    {ADDRESS} = 127.0.0.1\n    port = {self.ports[door]}\n"
            f"{'    ssl = yes' if door.endswith('s') else ''}\n  }}\n}}\n"
            for door in doors
        )

    def _processes(self) -> str:
        options = {"smtps": " -o smtpd_tls_wrappermode=yes"}
        text = "".join(
            f"127.0.0.1:{self.ports[door]} inet n - n - - smtpd{options.get(door, '')}\n"
            for door in ("smtp", "submission", "smtps")
        )
        return text + PROCESSES

    def commands(self) -> dict[str, list[str | Path]]:
        return {
            "postfix": ["/usr/sbin/postfix", "-c", self.main_cf.parent, "start"],
            "dovecot": ["/usr/sbin/dovecot", "-c", self.dovecot_conf],
        }

    def say(self, name: str, value: str) -> None:
        """Change their main.cf."""
        argv = ["/usr/sbin/postconf", "-c", str(self.main_cf.parent), "-e", f"{name} = {value}"]
        subprocess.run(argv, check=True)

    def add_lines(self) -> None:
        """Do what the refusal says."""
        problem = self.deployment("mail").problem
        said = re.search(r"add them: (postconf .*?)\.?$", problem.cause)
        subprocess.run([f"/usr/sbin/{shlex.split(said[1])[0]}", *shlex.split(said[1])[1:]], check=True)


UNKNOWN = {
    "2.3": "Unknown setting: ssl_server_cert_file",
    "2.4": "ssl_cert: Unknown setting: ssl_cert",
}[DOVECOT]
REFUSED_BY_DOVECOT = (
    "dovecot: doveconf refused the new configuration: Fatal: Error in configuration file "
    f"ROOT/var/lib/chainwright/modules/mail/N/main/default.conf line 1: {UNKNOWN}.\n"
    "What is in service was not changed. The refused files are in ROOT/var/lib/chainwright/modules/mail/refused until the "
    "next try. Correct the setting or template that it names, then: chainwright apply"
)


def _whole_message(box: Included) -> str:
    return "\n".join(box.deployment("mail").problem.lines()).replace(str(box.root), "ROOT")


@pytest.fixture
def theirs() -> Iterator[Included]:
    with Included.make(postfix=dict(INCLUDED), dovecot=dict(INCLUDED)) as appliance:
        appliance.write_their_files()
        appliance.configure()
        yield appliance


@pytest.fixture
def included(theirs) -> Included:
    """Mail is served by the administrator's daemons."""
    theirs.apply()
    theirs.add_lines()
    for service in theirs.pid_files:
        theirs.start_daemon(service)
    theirs.apply(retry=True)
    deployment = theirs.deployment("mail")
    assert deployment.outcome is Outcome.LIVE, deployment.problem
    theirs.runner.ran.clear()
    return theirs


def test_the_lines_that_a_main_cf_lacks_are_named_when_the_files_are_there_and_nothing_of_theirs_is_changed(theirs):
    before = theirs.main_cf.read_text()
    theirs.apply()
    deployment = theirs.deployment("mail")
    assert deployment.outcome is Outcome.WAITING
    live = theirs.layout.module("mail").live
    assert "\n".join(deployment.problem.lines()) == (
        f"postfix: {theirs.main_cf} does not name the agent's files; add them: postconf -c {theirs.main_cf.parent} -e "
        f"'smtpd_tls_chain_files = {live}/postfix/default.pem' 'tls_server_sni_maps = hash:{live}/postfix/sni' "
        "'smtpd_tls_security_level = may'.\n"
        "The files that it is to name are in place; the service is not reloaded before it does. Add what is missing, then: "
        "chainwright apply"
    )
    assert theirs.main_cf.read_text() == before
    assert all((live / "postfix" / name).exists() for name in ("default.pem", "sni.db"))
    assert (theirs.root / "etc/dovecot/conf.d/99-chainwright.conf").exists()


def test_a_running_postfix_serves_what_it_did_until_its_main_cf_names_ours(theirs):
    """dovecot has its chains meanwhile."""
    theirs.say("smtpd_tls_chain_files", str(theirs.root / "their.pem"))
    theirs.say("smtpd_tls_security_level", "may")
    for service in theirs.pid_files:
        theirs.start_daemon(service)
    before = {door: theirs.leaf(door) for door in OF_POSTFIX}
    theirs.configure(probe_timeout=1)
    theirs.apply()
    assert theirs.deployment("mail").problem.code == "deploy.not_included"
    assert {door: theirs.leaf(door) for door in OF_POSTFIX} == before
    assert theirs.leaf("imaps") == theirs.chains()["default"]
    theirs.runner.ran.clear()
    theirs.apply()
    assert theirs.runner.count("HUP") == 0, "nothing is told again until it is named"
    theirs.add_lines()
    theirs.configure(probe_timeout=5)
    theirs.apply(retry=True)
    assert theirs.deployment("mail").outcome is Outcome.LIVE, theirs.deployment("mail").problem
    theirs.assert_served()


def speaks_tls(box: Included, door: str) -> bool:
    try:
        return bool(box.leaf(door))
    except (OSError, AgentError):
        return False


def assert_tls_at_once(box: Included) -> None:
    """Several in a row: one of the processes that were idle could be asked."""
    assert [speaks_tls(box, door) for door in OF_POSTFIX for _ in range(3)] == [True] * 9


def test_a_postfix_that_was_idle_while_the_files_were_not_there_serves_them_at_once(theirs):
    """Its main.cf names them already; without a reload it would serve no TLS with that process for a hundred seconds."""
    live = theirs.layout.module("mail").live
    theirs.say("smtpd_tls_chain_files", f"{live}/postfix/default.pem")
    theirs.say("tls_server_sni_maps", f"hash:{live}/postfix/sni")
    theirs.say("smtpd_tls_security_level", "may")
    for service in theirs.pid_files:
        theirs.start_daemon(service)
    assert not any(speaks_tls(theirs, door) for door in OF_POSTFIX)
    theirs.apply()
    assert theirs.runner.count("postfix_reload") == 1
    assert theirs.deployment("mail").outcome is Outcome.LIVE, theirs.deployment("mail").problem
    assert_tls_at_once(theirs)
    theirs.assert_served()


def test_who_does_what_is_told_with_a_running_postfix_has_tls_at_once(theirs):
    """First the files are there, then main.cf names them, then postfix is reloaded."""
    for service in theirs.pid_files:
        theirs.start_daemon(service)
    theirs.configure(probe_timeout=1)
    theirs.apply()
    assert theirs.deployment("mail").problem.code == "deploy.not_included"
    assert not any(speaks_tls(theirs, door) for door in OF_POSTFIX), "it is idle, and knows of no TLS"
    theirs.add_lines()
    theirs.configure(probe_timeout=5)
    theirs.apply(retry=True)
    assert theirs.runner.count("postfix_reload") == 1
    assert_tls_at_once(theirs)
    theirs.assert_live()


OTHER_VERSION = {"2.3": "2.4", "2.4": "2.3"}[DOVECOT]


def test_settings_of_another_dovecot_are_told_as_that_whatever_else_is_wrong(theirs):
    """Taken apart, mail is refused by postfix too: without it, its main.cf names too little, or names files that are to go."""
    theirs.configure(dovecot={**INCLUDED, "version": OTHER_VERSION})
    theirs.apply()
    told = [_whole_message(theirs)]
    for name, value in (("smtpd_tls_chain_files", "default.pem"), ("tls_server_sni_maps", "sni")):
        kind = "hash:" if name == "tls_server_sni_maps" else ""
        theirs.say(name, f"{kind}{theirs.layout.module('mail').live}/postfix/{value}")
    theirs.apply(retry=True)
    told.append(_whole_message(theirs))
    assert [re.sub(r"mail/\d+/", "mail/N/", each) for each in told] == [REFUSED_BY_DOVECOT, REFUSED_BY_DOVECOT]
    assert all("nknown setting" in each.problem.cause for each in theirs.refusals())
    assert list(theirs.layout.module("mail").state.glob("refused/main/default.conf"))
    assert theirs.deployment("mail").problem.detail.splitlines()[0].startswith("$ /usr/bin/doveconf -c ")
    assert not (theirs.root / "etc/dovecot/conf.d/99-chainwright.conf").exists()


def test_each_name_is_served_and_their_files_are_as_they_were(included):
    before = included.main_cf.read_text(), included.dovecot_conf.read_text()
    included.assert_served()
    included.renew()
    included.apply()
    included.assert_served()
    assert (included.main_cf.read_text(), included.dovecot_conf.read_text()) == before
    live = included.layout.service("dovecot").live
    assert (included.root / "etc/dovecot/conf.d/99-chainwright.conf").read_text() == (
        f"# Made by Chainwright; changes here are lost.\n!include {live}/dovecot.conf\n"
    )


def test_a_dovecot_of_theirs_that_cuts_sessions_is_told_of_until_it_runs_with_what_keeps_them(included):
    """What it runs with decides, not what its files say by now, where it tells: dovecot 2.4 does not."""

    def told() -> list[tuple[str, str]]:
        included.apply()
        found = Terminal(included.root).json("status")["findings"]
        return [(each["problem"]["cause"], each["problem"]["fix"]) for each in found]

    (cause, fix), *more = told()
    assert more == []
    assert "dovecot runs with shutdown_clients = yes: each renewal ends every session of IMAP and POP3." in cause
    assert f"Add to {included.dovecot_conf}: shutdown_clients = no; the reload that brings it in still ends them" in fix
    included.dovecot_conf.write_text(f"{included.dovecot_conf.read_text()}shutdown_clients = no\n")
    if DOVECOT == "2.3":
        ((cause, fix),) = told()
        assert (
            "still runs with shutdown_clients = yes: its next reload ends every session, and is the last that does."
            in cause
        )
        assert f"Choose the time of it: doveadm -c {included.dovecot_conf} reload." in fix
    else:
        assert told() == [], "it doesn't tell what it runs with"
    run_quietly("/usr/bin/doveadm", "-c", included.dovecot_conf, "reload")
    until(lambda: told() == [], what="it is no longer told of")


def test_a_chain_of_theirs_beside_ours_is_refused_as_postfix_would_serve_no_tls_at_all(included):
    ours = f"{included.layout.module('mail').live}/postfix/default.pem"
    included.say("smtpd_tls_chain_files", f"{included.root}/their.pem, {ours}")
    included.renew()
    included.apply()
    assert included.deployment("mail").outcome is Outcome.REFUSED
    assert f"-e 'smtpd_tls_chain_files = {ours}'" in included.deployment("mail").problem.cause
    included.add_lines()
    included.apply(retry=True)
    assert included.deployment("mail").outcome is Outcome.LIVE
    included.assert_served()


def test_a_map_of_theirs_stands_after_ours(included):
    ours = f"hash:{included.layout.module('mail').live}/postfix/sni"
    theirs = included.root / "their-names"
    theirs.touch()
    included.say("tls_server_sni_maps", f"texthash:{theirs}, {ours}")
    included.renew()
    included.apply()
    assert f"-e 'tls_server_sni_maps = {ours}, texthash:{theirs}'" in included.deployment("mail").problem.cause
    included.add_lines()
    included.apply(retry=True)
    assert included.deployment("mail").outcome is Outcome.LIVE
    included.assert_served()


def test_lines_that_are_taken_out_again_are_missed_and_dovecot_goes_on(included):
    text = included.main_cf.read_text()
    included.main_cf.write_text(MAIN_CF.format(root=included.root))
    included.renew()
    included.configure(probe_timeout=1)
    included.apply()
    deployment = included.deployment("mail")
    assert deployment.outcome is Outcome.WAITING
    assert "does not name the agent's files" in deployment.problem.cause
    assert included.leaf("imaps") == included.chains()["default"]
    included.main_cf.write_text(text)
    included.configure(probe_timeout=5)
    included.apply(retry=True)
    assert included.deployment("mail").outcome is Outcome.LIVE
    included.assert_served()


def test_their_own_mistake_is_named_and_nothing_switches(included):
    before = included.seen()
    text = included.dovecot_conf.read_text()
    included.dovecot_conf.write_text(text + "ssl_sert = no\n")
    included.renew()
    included.apply()
    assert "Unknown setting: ssl_sert" in included.deployment("mail").problem.cause
    included.dovecot_conf.write_text(text)
    assert included.seen() == before
    included.apply(retry=True)
    included.assert_served()


def assert_held(box: Included, before: dict[tuple[str, str], str]) -> None:
    """Nothing of it was taken out, and what to do about it is said."""
    assert box.seen() == before
    assert (box.live("mail") / "postfix/default.pem").exists()
    assert box.deployment("mail").problem.cause == (
        f"It is no longer configured, but can't be taken out: {box.main_cf} still names the agent's files; name files of your "
        f"own there, or none: postconf -c {box.main_cf.parent} -X smtpd_tls_chain_files tls_server_sni_maps."
    )
    assert box.engine().plan().actions == ()


def test_a_module_that_is_gone_leaves_what_their_files_still_name(included):
    """The tables are gone, and with them what would tell the daemons so; both serve what they had."""
    before = included.seen()
    text = included.layout.settings.read_text()
    included.layout.settings.write_text(text[: text.index("[services.postfix]")])
    included.apply()
    assert included.chains() == {}
    assert_held(included, before)
    for service in included.pid_files:
        included.kill(service)
        included.start_daemon(service)
    assert included.seen() == before


def test_a_module_is_not_taken_out_while_their_main_cf_names_its_files(included):
    """dovecot doesn't let go of them before postfix can: both go on together."""
    before = included.seen()
    included.configure(module={"enabled": False})
    included.apply()
    assert_held(included, before)
    included.say("smtpd_tls_chain_files", str(included.root / "their.pem"))
    included.say("tls_server_sni_maps", "")
    included.apply(retry=True)
    assert included.seen().items().isdisjoint(before.items())
    assert not (included.root / "etc/dovecot/conf.d/99-chainwright.conf").exists()
    assert not list(included.layout.module("mail").state.rglob("*.pem"))
    argv = ["/usr/bin/doveconf", "-c", str(included.dovecot_conf), "-x", "base_dir"]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0
