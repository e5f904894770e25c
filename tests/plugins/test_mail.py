"""Mail as data: settings, needs, files, endpoints, commands."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.contract.context import DIRECTORY_MARK, ModulePart, ServiceContext
from agent.rendering.render import entry_of, filled_in
from agent.rendering.templates import Templates, search_path
from agent.system.layout import Layout
from chainwright import Change, Endpoint, HostFacts, KeyType, StartTLS
from plugins.mail.dovecot import Dovecot
from plugins.mail.listeners import FEW, LISTENERS
from plugins.mail.module import Mail
from plugins.mail.postfix import RELOAD, Postfix
from support import golden
from support.appliances.staged import StagedAppliance

HOST = HostFacts(name="gw", addresses=("127.0.0.1", "::1"))
NAME = "mail.example.com"
TWO = {"domains": ["mail.example.org", "*.example.net"]}
SERVICES = {"postfix": Postfix(), "dovecot": Dovecot(version="2.3")}
PRIVATE = {
    "postfix": Postfix(main="own", manager="commands"),
    "dovecot": Dovecot(main="own", manager="commands", version="2.3"),
}
NEWER = {**PRIVATE, "dovecot": Dovecot(main="own", manager="commands", version="2.4")}


def mail(**more) -> Mail:
    return Mail(**{"hostname": NAME, **more})


def refusal(**more) -> str:
    with pytest.raises(ValidationError) as caught:
        mail(**more)
    return " ".join(error["msg"] for error in caught.value.errors())


def test_a_name_is_all_that_has_to_be_said():
    (need,) = mail().declare_needs(HOST)
    assert (need.slot, need.names, need.key_types[0]) == ("default", (NAME,), KeyType.ECDSA_P256)


def test_each_further_name_has_a_slot_of_its_own():
    needs = mail(**TWO).declare_needs(HOST)
    assert {need.slot: need.names for need in needs} == {
        "default": (NAME,),
        "mail.example.org": ("mail.example.org",),
        "_wildcard.example.net": ("*.example.net",),
    }


def test_two_key_types_are_two_slots_a_name_and_neither_accepts_the_others_kind():
    needs = list(mail(domains=["mail.example.org"], second_key_type="rsa-2048").declare_needs(HOST))
    assert [(need.slot, need.key_types[0]) for need in needs] == [
        ("default", KeyType.ECDSA_P256),
        ("default.rsa", KeyType.RSA_2048),
        ("mail.example.org", KeyType.ECDSA_P256),
        ("mail.example.org.rsa", KeyType.RSA_2048),
    ]
    for first, second in (needs[:2], needs[2:]):
        assert set(first.key_types).isdisjoint(second.key_types)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"hostname": "192.0.2.1"}, "192.0.2.1 is an address; mail is served under names"),
        ({"domains": ["a.example.com", "A.example.com."]}, "a.example.com stands twice in hostname and domains"),
        ({"domains": [NAME]}, f"{NAME} stands twice in hostname and domains"),
        ({"domains": ["default"]}, 'two chains would be called "default"; leave one of the domains out'),
        ({"second_key_type": "ecdsa-p384"}, "one must be RSA and the other not"),
        ({"imaps": "0.0.0.0:465", "imap": []}, "two protocols can't both be served at 0.0.0.0:465"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, sentence):
    assert sentence in refusal(**settings)


def test_a_second_module_of_mail_is_refused_as_postfix_has_one_map():
    modules = {"mail": mail(), "other": mail(hostname="other.example.com")}
    assert list(Postfix().contradictions(modules)) == [
        ("other", 'the module "mail" has this postfix already; write all names into its domains')
    ]
    assert list(Postfix().contradictions({})) == []


# Files


def rendered(module: Mail, services: dict) -> dict[str, str]:
    kinds = {name: type(each) for name, each in services.items()}
    with StagedAppliance.make(services=kinds) as box:
        context = box.context(module, "mail", services=services)
        rendering = box.rendering(module, context)
        texts = {file.path: rendering.texts[file.text] for file in rendering.files if file.text}
        where = f"{context.places.state}/7"
        return {path: filled_in(text, where, 7).replace(str(box.root), "") for path, text in texts.items()}


@pytest.mark.parametrize(
    ("name", "services", "settings"),
    [
        ("include", SERVICES, TWO),
        ("own", PRIVATE, {**TWO, "pop3": 110, "imap": [], "submission": []}),
        ("own-2.4", NEWER, {**TWO, "second_key_type": "rsa-2048"}),
    ],
)
def test_the_files_are_as_they_were_read(name, services, settings):
    golden.compare(f"mail/{name}", rendered(mail(**settings), services))


@pytest.mark.parametrize(
    ("name", "service"),
    [("include", SERVICES["dovecot"]), ("own", PRIVATE["dovecot"]), ("own-2.4", NEWER["dovecot"])],
)
def test_dovecots_entry_is_as_it_was_read(name, service):
    golden.compare(f"dovecot/{name}", {path: text for path, (text, _) in entry(service).items()})


def test_what_dovecot_includes_is_published_as_a_copy():
    _, file = entry(SERVICES["dovecot"])["include.conf"]
    assert (str(file.publish), file.how) == ("/etc/dovecot/conf.d/99-chainwright.conf", "copy")


def entry(service: Dovecot) -> dict[str, tuple]:
    context = service_context("dovecot", DIRECTORY_MARK)
    templates = Templates(search_path(Layout(Path("/")).templates, "dovecot", Dovecot), "dovecot")
    rendering = entry_of(service, service.render_entry(context), context, templates)
    where = f"{context.places.state}/3"
    return {file.path: (filled_in(rendering.texts[file.text], where, 3), file) for file in rendering.files}


def service_context(name: str, directory: str = "/entry", *, parts: bool = True) -> ServiceContext:
    layout = Layout(Path("/"))
    part = ModulePart(module="mail", plugin="mail", directory=layout.modules / "mail/7")
    places = layout.service(name)
    return ServiceContext(
        service=name, directory=Path(directory), parts=(part,) if parts else (), host=HOST, http01=None, places=places
    )


def test_dovecot_gets_more_memory_only_for_many_names():
    few = rendered(mail(domains=[f"m{number}.example.com" for number in range(20)]), SERVICES)
    assert "vsz_limit" not in few["dovecot.conf"]
    module = mail(domains=[f"m{number}.example.com" for number in range(250)])
    with StagedAppliance.make(services={"dovecot": Dovecot}) as box:
        chain = box.authority.chain(NAME)
        box.chains = {need.slot: chain for need in module.declare_needs(HOST)}
        rendering = box.rendering(module, box.context(module, "mail", services=SERVICES))
    (text,) = [rendering.texts[file.text] for file in rendering.files if file.path == "dovecot.conf"]
    assert Counter(re.findall(r"service (\S+) \{\n  vsz_limit = 381 M", text)) == {
        "config": 1,
        "imap-login": 1,
        "pop3-login": 1,
    }


def test_keys_are_for_root_alone():
    with StagedAppliance.make() as box:
        context = box.context(mail(**TWO), "mail", services=SERVICES)
        modes = {file.path: file.mode for file in box.rendering(mail(**TWO), context).files}
    assert {modes["chains/default.pem"], modes["chains/default.key.pem"]} == {0o600}


EVIL = st.text(st.sampled_from(list("ab.*{}#;\"'\\$<>=!|@:/ \n\r\t\0é")), min_size=1, max_size=12)
BREAKING = re.compile(r"[{}#;\"'\\$<>!|\s\0]")


@settings(deadline=None)
@given(text=EVIL, field=st.sampled_from(["hostname", "domains", "smtp", "imap"]))
def test_no_setting_that_is_printed_lets_a_line_through(text, field):
    assume(BREAKING.search(text.strip()))
    with pytest.raises(ValidationError):
        mail(**{field: [text] if field == "domains" else text})


@settings(deadline=None)
@given(text=EVIL, field=st.sampled_from(["unit", "programs", "configuration", "queue", "data"]))
def test_no_setting_of_postfix_lets_a_line_through(text, field):
    assume(BREAKING.search(text))
    for value in (text, f"/{text}"):
        with pytest.raises(ValidationError):
            Postfix(**{field: value})


# Endpoints


def endpoints(module: Mail, host: HostFacts = HOST) -> list[Endpoint]:
    with StagedAppliance.make(host=host) as box:
        needs = list(module.declare_needs(host))
        box.chains = {need.slot: box.authority.chain(*need.names, key_type=need.key_types[0]) for need in needs[:1]}
        box.chains = dict.fromkeys((need.slot for need in needs), next(iter(box.chains.values())))
        return list(module.probes(box.context(module, "mail", services=SERVICES)))


def test_every_listener_is_looked_at_with_its_starttls():
    found = {(each.port, each.starttls) for each in endpoints(mail(pop3=110, pop3s=995))}
    assert found == {
        (25, StartTLS.SMTP),
        (587, StartTLS.SMTP),
        (465, None),
        (143, StartTLS.IMAP),
        (993, None),
        (110, StartTLS.POP3),
        (995, None),
    }


def test_a_wildcard_is_looked_at_by_a_name_that_it_covers():
    assert {each.server_name for each in endpoints(mail(**TWO))} == {
        NAME,
        "mail.example.org",
        "chainwright-probe.example.net",
    }


def test_a_listener_without_an_address_is_closed():
    assert {each.port for each in endpoints(mail(smtp=[], submission=[], imap=[]))} == {465, 993}


def test_of_many_names_each_is_looked_at_through_one_listener_of_each_daemon_and_the_main_one_through_all():
    names = [f"m{number}.example.com" for number in range(FEW)]
    by_slot: dict[str, list[Endpoint]] = {}
    for each in endpoints(mail(domains=names, pop3=110)):
        by_slot.setdefault(each.slot, []).append(each)
    assert len(by_slot.pop("default")) == 6
    of_postfix = {25, 465, 587}
    assert {len(found) for found in by_slot.values()} == {2}
    assert {len({each.port for each in found} & of_postfix) for found in by_slot.values()} == {1}
    assert len({each.port for found in by_slot.values() for each in found}) == 6


def test_a_host_without_ipv6_is_not_asked_for_it():
    without = HostFacts(name="gw", addresses=("127.0.0.1",))
    for listener in LISTENERS[:5]:
        assert [each.host for each in mail().addresses(listener, without)] == ["0.0.0.0"]
        assert [each.host for each in mail().addresses(listener, HOST)] == ["0.0.0.0", "::"]


# Commands


def test_daemons_under_systemd_are_tested_reloaded_and_started_as_debian_does():
    postfix, dovecot = SERVICES["postfix"], SERVICES["dovecot"]
    check = dovecot.check_command(service_context("dovecot"))
    assert str(check) == "/usr/bin/doveconf -c /etc/dovecot/dovecot.conf -x base_dir"
    assert dovecot.reload_command(service_context("dovecot")).argv[3:] == (
        *("/usr/bin/doveconf", "/etc/dovecot/dovecot.conf", "/run/dovecot/master.pid"),
        *("systemctl", "reload", "dovecot"),
    )
    assert str(dovecot.start_command(service_context("dovecot"))) == "systemctl start dovecot"
    assert dovecot.running(service_context("dovecot")) == Path("/run/dovecot/master.pid")
    context, live = service_context("postfix"), "/var/lib/chainwright/modules/mail/live"
    assert postfix.check_command(context).argv[3:] == (
        "/usr/sbin",
        "/etc/postfix",
        f"smtpd_tls_chain_files = {live}/postfix/default.pem",
        f"tls_server_sni_maps = hash:{live}/postfix/sni",
    )
    assert postfix.reload_command(context).argv[3:] == (
        *("/usr/sbin/postmap", "hash", f"{live}/postfix"),
        *(sys.executable, "-P", str(RELOAD), "/usr/sbin", "/etc/postfix", "/var/spool/postfix/pid/master.pid"),
        *("systemctl", "reload", "postfix"),
    )
    assert postfix.running(context) == Path("/var/spool/postfix/pid/master.pid")


def test_private_daemons_are_tested_on_the_candidate_and_started_on_what_is_live():
    postfix, dovecot = PRIVATE["postfix"], PRIVATE["dovecot"]
    check = dovecot.check_command(service_context("dovecot"))
    assert str(check) == "/usr/bin/doveconf -c /entry/dovecot.conf -x base_dir"
    live = "/var/lib/chainwright/services/dovecot/live"
    assert str(dovecot.start_command(service_context("dovecot"))) == f"/usr/sbin/dovecot -c {live}/dovecot.conf"
    assert dovecot.reload_command(service_context("dovecot")).argv[3:] == (
        *("/usr/bin/doveconf", f"{live}/dovecot.conf", "/run/chainwright/dovecot/master.pid"),
    )
    context, module = service_context("postfix"), "/var/lib/chainwright/modules/mail"
    assert postfix.check_command(context).argv[3:] == ("/usr/sbin", f"{module}/7/postfix")
    assert postfix.start_command(context).argv[-4:] == ("/usr/sbin/postfix", "-c", f"{module}/live/postfix", "start")
    assert postfix.start_command(context).argv[:2] == (sys.executable, "-P")
    assert postfix.running(context) == Path("/var/spool/chainwright-postfix/pid/master.pid")


def test_without_a_module_postfix_is_asked_whether_it_can_do_without_its_files():
    context = service_context("postfix", parts=False)
    check = SERVICES["postfix"].check_command(context)
    assert check.argv[3:] == ("/usr/sbin", "/etc/postfix", "--without", "/var/lib/chainwright/modules/")
    assert SERVICES["postfix"].reload_command(context) is None
    assert PRIVATE["postfix"].check_command(context) is None


# Sessions

CHANGE = Change(kind="chain", subject="", slots=("default",))
KEPT_FROM_THEN_ON = "; this reload is the last one that does, as it brings in shutdown_clients = no"
KEPT_FROM_THE_SECOND_ON = (
    "; to keep them from the second reload on, add to /etc/dovecot/dovecot.conf: shutdown_clients = no"
)
ENDS = "dovecot runs with shutdown_clients = yes and ends every session when it is reloaded"


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("live no\nfile yes\nsession 2 bob", []),
        ("live\nfile yes", []),
        ("live unknown\nfile no\nsession 2 bob", []),
        ("", []),
        ("live yes\nfile no", [f"Nobody is connected to dovecot; {ENDS}{KEPT_FROM_THEN_ON}."]),
        ("live yes\nfile no\nsession 1 bob", [f"1 mail session drops (bob); {ENDS}{KEPT_FROM_THEN_ON}."]),
        (
            "live unknown\nfile yes\nadd /etc/dovecot/dovecot.conf\nsession 2 bob\nsession 1 carol\nsession 1 bob",
            [f"4 mail sessions drop (bob, carol); {ENDS}{KEPT_FROM_THE_SECOND_ON}."],
        ),
    ],
)
def test_whom_a_reload_cuts_is_said_by_the_setting_that_dovecot_runs_with(printed, said):
    assert [each.sentence for each in mail().consequences_of(CHANGE, printed)] == said
    assert [*mail().consequences_of(Change(kind="root", subject=""), printed)] == [], "no chain changes"


def test_of_many_users_some_are_named():
    printed = "live yes\nfile yes\n" + "".join(f"session 1 user{number:02}\n" for number in range(25))
    (said,) = mail().consequences_of(CHANGE, printed)
    assert said.sentence.startswith("25 mail sessions drop (user00, ")
    assert "user19, 5 more); " in said.sentence
    assert said.severity == "outage"


# Version


@pytest.mark.parametrize(
    ("says", "version"),
    [("2.3.19.1 (9b53102964)", "2.3"), ("2.4.1-4 (7d8c0e5759)", "2.4"), ("3.0.0", "2.4"), ("", "2.3")],
)
def test_settings_are_written_as_the_dovecot_that_is_there_reads_them(tmp_path, says, version):
    program = tmp_path / "dovecot"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo '{says}'\n")
    program.chmod(0o755)
    assert Dovecot(binary=str(program)).version == version
    assert Dovecot(binary=str(program), version="2.3").version == "2.3"
    assert Dovecot(binary=str(tmp_path / "nothing")).version == "2.3"
