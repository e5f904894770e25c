"""SSTP as data: settings, needs, files, endpoints, commands, consequences."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.contract.context import Http01, ModulePart, ServiceContext
from agent.rendering.render import entry_of, filled_in
from agent.rendering.templates import Templates, search_path
from agent.system.layout import Layout
from chainwright import Change, Command, Endpoint, HostFacts, KeyType, Signal
from plugins.sstp import SSTP, SSTPService
from plugins.sstp.probe import SSTPProbe
from plugins.sstp.sessions import Room
from support import golden
from support.appliances.staged import StagedAppliance
from support.paths import CHECKOUT

HOST = HostFacts(name="gw", addresses=("127.0.0.1", "::1"))
ROOT = Path("/")
PART = Path("/var/lib/chainwright/modules/sstp/7")
SERVERS = {
    "include": SSTPService(),
    "own": SSTPService(main="own", manager="commands"),
    "sstp-server": SSTPService(server="sstp-server", manager="commands"),
}


def sstp(**settings) -> SSTP:
    return SSTP(**{"domain": "vpn.example.com", **settings})


def refusal(**settings) -> str:
    with pytest.raises(ValidationError) as caught:
        sstp(**settings)
    return " ".join(error["msg"] for error in caught.value.errors())


def service_context() -> ServiceContext:
    layout = Layout(ROOT)
    parts = (ModulePart(module="sstp", plugin="sstp", directory=PART),)
    return ServiceContext(
        service="sstp",
        directory=Path("/entry"),
        parts=parts,
        host=HOST,
        http01=Http01(webroot=layout.webroot),
        places=layout.service("sstp"),
    )


def rendered(service: SSTPService, module: SSTP) -> dict[str, str]:
    """Return every configuration file, with what stands for directories of its own."""
    with StagedAppliance.make() as box:
        box.layout = Layout(ROOT)
        context = box.context(module, "sstp", services={"sstp": service})
        of_module = box.rendering(module, context)
        templates = Templates(search_path(ROOT / "none", "sstp", SSTPService), "sstp")
        of_entry = entry_of(service, service.render_entry(service_context()), service_context(), templates)
    files = {}
    for place, rendering in (("module", of_module), ("entry", of_entry)):
        for file in rendering.files:
            if file.text:
                files[f"{place}/{file.path}"] = filled_in(rendering.texts[file.text], f"/{place}", 7)
    return files


@pytest.mark.parametrize("name", SERVERS)
def test_the_configuration_of_each_server(name):
    module = sstp() if name == "include" else sstp(listen="192.0.2.1:4443", clients=["198.51.100.0/24", "10.0.0.0/8"])
    golden.compare(f"sstp/{name}", rendered(SERVERS[name], module))


def test_it_asks_for_one_chain_for_its_domain():
    (need,) = sstp().declare_needs(HOST)
    assert (need.slot, need.names, need.key_types[0]) == ("default", ("vpn.example.com",), KeyType.ECDSA_P256)


def test_it_is_looked_at_where_it_listens():
    for listen, host in {"0.0.0.0:443": "0.0.0.0", "[::]:443": "::", "192.0.2.1:443": "192.0.2.1"}.items():
        with StagedAppliance.make() as box:
            (found,) = sstp(listen=listen).probes(box.context(sstp(), "sstp", services={"sstp": SSTPService()}))
        assert found == Endpoint(host=host, port=443, server_name="vpn.example.com", probe=SSTPProbe())


@pytest.mark.parametrize(("pool", "most"), [("192.168.20.0/24", 253), ("10.0.0.0/30", 2)])
def test_sstp_server_has_addresses_for_so_many_clients(pool, most):
    module = sstp(pool=pool)
    for service, how in {SERVERS["sstp-server"]: "pid", SSTPService(server="sstp-server"): "unit"}.items():
        with StagedAppliance.make() as box:
            context = box.context(module, "sstp", services={"sstp": service})
            (found,) = module.probes(context)
            where = "sstp-server" if how == "unit" else str(context.places.run / "sstpd.pid")
        assert found.probe == SSTPProbe(room=Room(how, where, most))


def test_keys_are_of_root_only():
    with StagedAppliance.make() as box:
        context = box.stage(sstp(), services={"sstp": SSTPService()})
        assert {path.stat().st_mode & 0o777 for path in context.directory.glob("*.pem")} == {0o600}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"listen": "gw.example.com:443"},
            'Value error, listen is an address and a port, and "gw.example.com" is a name',
        ),
        (
            {"pool": "10.0.0.0/31"},
            "Value error, pool 10.0.0.0/31 has no room for clients; give it a prefix of 30 bits at most",
        ),
        (
            {"clients": ["192.168.0.0/16"]},
            "Value error, clients may not connect from inside of the tunnels: 192.168.0.0/16 overlaps pool 192.168.20.0/24",
        ),
        ({"domain": "*.example.com"}, "Value error, must be a host name or an address, not a wildcard"),
        ({"pool": "10.0.0.1/24"}, "Input is not a valid IPv4 network"),
    ],
)
def test_settings_that_can_not_work_are_refused(settings, sentence):
    assert refusal(**settings) == sentence


def test_a_second_module_on_one_server_is_refused():
    assert list(SSTPService().contradictions({"sstp": sstp(), "other": sstp()})) == [
        ("sstp", 'the module "other" has this SSTP server already, and it has one chain only')
    ]


def test_addresses_for_clients_leave_out_those_that_nobody_can_have():
    assert sstp(pool="10.9.8.0/24").tunnels == "10.9.8.1-254"
    assert sstp(pool="10.9.8.64/30").tunnels == "10.9.8.65-66"
    assert sstp(pool="10.9.0.0/16").tunnels == "10.9.0.0/16"


# Commands


def said(action) -> str:
    return str(action).replace(sys.executable, "python").replace(str(CHECKOUT), "CHECKOUT")


def test_with_systemd_accel_ppp_is_reloaded_and_sstp_server_restarted():
    context = service_context()
    for service, verb in {
        SSTPService(): "reload accel-ppp",
        SSTPService(server="sstp-server"): "restart sstp-server",
    }.items():
        name = verb.split()[1]
        assert said(service.reload_command(context)) == f"systemctl {verb}"
        assert said(service.running(context)) == f"systemctl is-active --quiet {name}"
        assert said(service.start_command(context)) == f"systemctl start {name}"


def test_without_systemd_accel_ppp_gets_a_signal():
    context = service_context()
    assert SSTPService(manager="commands").reload_command(context) == Signal(Path("/run/accel-pppd.pid"), name="USR1")
    own = SERVERS["own"]
    assert own.reload_command(context) == Signal(Path("/run/chainwright/accel-pppd.pid"), name="USR1")
    assert own.start_command(context) == Command(
        (
            "/usr/sbin/accel-pppd",
            "-d",
            "-p",
            "/run/chainwright/accel-pppd.pid",
            "-c",
            "/var/lib/chainwright/services/sstp/live/accel-ppp.conf",
        )
    )


def test_the_check_reads_what_will_run():
    context = service_context()
    program = "python -I CHECKOUT/plugins/sstp/check_accel_ppp.py /usr/sbin/accel-pppd"
    line = "$include /etc/accel-ppp.d/chainwright.conf"
    assert said(SERVERS["own"].check_command(context)) == f"{program} /entry/accel-ppp.conf /entry/included.conf"
    live = "/var/lib/chainwright/services/sstp/live/included.conf"
    assert said(SERVERS["include"].check_command(context)) == f"{program} /etc/accel-ppp.conf {live}"
    assert said(SERVERS["include"].included_command(context)) == f"{program} /etc/accel-ppp.conf {live} {line}"
    assert SERVERS["own"].included_command(context) is None
    assert said(SERVERS["sstp-server"].check_command(context)) == (
        f"python -I CHECKOUT/plugins/sstp/run_sstpd.py check /usr/local/bin/sstpd {PART}/sstpd.conf "
        "/run/chainwright/sstpd.pid /var/log/chainwright/sstpd.log"
    )


def test_without_a_chain_sstp_server_is_left_alone():
    from dataclasses import replace

    context = replace(service_context(), parts=())
    service = SERVERS["sstp-server"]
    assert (service.check_command(context), service.reload_command(context), service.start_command(context)) == (
        None,
        None,
        None,
    )


def test_only_a_restart_is_disruptive():
    assert [service.disruptive for service in SERVERS.values()] == [False, False, True]


def test_sessions_are_asked_for_only_where_they_drop():
    places = Layout(ROOT).service("sstp")
    assert SERVERS["own"].sessions(places) is None
    assert said(SERVERS["sstp-server"].sessions(places)) == (
        "python -I CHECKOUT/plugins/sstp/sessions.py pid /run/chainwright/sstpd.pid"
    )
    assert said(SSTPService(server="sstp-server").sessions(places)).endswith("sessions.py unit sstp-server")


# Consequences


def consequences(observed: str, *slots: str) -> list[tuple[str, str]]:
    found = sstp().consequences_of(Change(kind="root", subject="", slots=slots), observed)
    return [(each.sentence, each.severity) for each in found]


def test_many_sessions_are_counted_and_the_first_named():
    lines = [f"session 192.0.2.{number}" for number in range(1, 24)]
    ((sentence, severity),) = consequences("\n".join(["sstp-server", *lines]), "default")
    assert sentence.startswith("23 SSTP sessions drop (192.0.2.1, 192.0.2.2, ")
    assert sentence.endswith(", 192.0.2.20, 3 more); sstp-server is restarted, as it reads a chain only at its start.")
    assert severity == "outage"


def test_nothing_is_said_of_accel_ppp_nor_where_another_slot_changes():
    assert consequences("") == []
    assert consequences("sstp-server\nsession 192.0.2.1\n", "address") == []
    assert len(consequences("sstp-server\nsession 192.0.2.1\n", "default", "address")) == 1
