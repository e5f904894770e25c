"""The web interface as a module: settings, needs, files, and its own process seen by its own probe."""

import errno
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import ValidationError

from agent.contract.context import ModulePart
from agent.probing.addresses import first_address, further_addresses
from agent.probing.probe import mismatch
from agent.rendering.render import filled_in
from agent.system.layout import Layout
from agent.system.processes import process_of
from chainwright import Address, Context, Endpoint, Expected, HostFacts, ProbeFailed, ServiceContext, Signal
from plugins.webui import WebUI
from plugins.webui.errors import CannotListen
from plugins.webui.pid_file import PID_FILE
from plugins.webui.probe import WebUIProbe
from plugins.webui.service import WebUIService
from plugins.webui.sockets import all_listening
from support import golden
from support.appliances.staged import PATIENCE, StagedAppliance, switch
from support.paths import CHECKOUT
from support.ports import free_port
from support.processes import prepared
from support.servers.local import Maker, listening, securing
from support.waiting import until

HOST = HostFacts(name="gw", addresses=("127.0.0.1", "192.0.2.1", "::1"))
LAUNCHER = """
import sys
from pathlib import Path
from plugins.webui.process import start_at
from plugins.webui.serving import serve
from plugins.webui.generation import listen_of
live, pid_file, templates = (Path(each) for each in sys.argv[1:])
serve(start_at(live, listen_of(live), pid_file, [templates], live.with_name("api.sock")))
"""


@dataclass
class WebUIAppliance(StagedAppliance):
    """An appliance whose web interface runs as a process of its own."""

    process: subprocess.Popen[bytes] | None = None

    def start(self, module: WebUI, context: Context, pid_file: Path) -> None:
        switch(context.places.state, context.directory)
        arguments = [context.places.live, pid_file, CHECKOUT / "templates/webui"]
        self.process = prepared.start(["-c", LAUNCHER, *arguments], cwd=CHECKOUT)
        until(lambda: process_of(pid_file))

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)


@pytest.fixture
def box() -> Iterator[WebUIAppliance]:
    with WebUIAppliance.make(host=HOST) as appliance:
        yield appliance


def slots(module: WebUI, host: HostFacts = HOST) -> dict[str, tuple[str, ...]]:
    return {need.slot: need.names for need in module.declare_needs(host)}


def refusal(**settings) -> str:
    with pytest.raises(ValidationError) as caught:
        WebUI(**settings)
    return " ".join(error["msg"] for error in caught.value.errors())


def test_without_a_domain_there_is_only_the_address_slot():
    assert slots(WebUI()) == {"address": ("gw", "localhost", "127.0.0.1", "192.0.2.1", "::1")}


def test_a_domain_has_a_slot_of_its_own():
    module = WebUI(domain="GW.example.com", names=["gw.lan", "10.0.0.1"])
    assert slots(module) == {
        "address": ("gw", "localhost", "127.0.0.1", "192.0.2.1", "::1", "gw.lan", "10.0.0.1"),
        "name": ("gw.example.com",),
    }


def test_the_address_slot_is_local_only_whatever_the_module_says():
    address, name = WebUI(domain="gw.example.com", sources=["uploaded", "acme"], pin="x").declare_needs(HOST)
    assert (address.sources, address.pin) == (("local",), None)
    assert (name.sources, name.pin) == (("uploaded", "acme"), "x")


@pytest.mark.parametrize(
    ("host_name", "names"),
    [
        ("gw.example.com", ("gw", "localhost")),
        ("gw.lan", ("gw.lan", "gw", "localhost")),
        ("localhost", ("localhost",)),
    ],
)
def test_a_public_host_name_stays_out_of_the_address_slot_but_for_its_label(host_name, names):
    assert slots(WebUI(), HostFacts(name=host_name, addresses=("127.0.0.1",)))["address"] == (*names, "127.0.0.1")


def test_a_local_domain_stands_in_its_own_slot_only():
    assert slots(WebUI(domain="gw.lan"), HostFacts(name="gw.lan", addresses=("127.0.0.1",))) == {
        "address": ("gw", "localhost", "127.0.0.1"),
        "name": ("gw.lan",),
    }


def test_settings_that_would_mix_public_and_local_names_are_refused():
    assert "names are local ones, and gw.example.com is public; make it the domain" in refusal(names=["gw.example.com"])
    assert "domain must be a name; the address 10.0.0.1 belongs into names" in refusal(domain="10.0.0.1")
    assert "not a wildcard" in refusal(domain="*.example.com")


@pytest.mark.parametrize("domain", [None, "gw.example.com"])
def test_the_generation_is_described_as_it_was_read(box, domain):
    module = WebUI(domain=domain)
    rendering = box.rendering(module, box.context(module, "webui"))
    texts = {file.path: rendering.texts[file.text] for file in rendering.files if file.text}
    text = filled_in(texts["generation.json"], "/nowhere", 7)
    golden.compare(f"webui/{'domain' if domain else 'address'}", {"generation.json": text})
    assert json.loads(text)["generation"] == 7


def test_keys_are_roots_and_read_by_the_group_of_the_process(box):
    module = WebUI(run_as="someone")
    assert (module.file_user, module.file_group) == ("", "someone")
    context = box.stage(module)
    modes = {path.name: path.stat().st_mode & 0o777 for path in context.directory.rglob("*") if path.is_file()}
    assert modes == {"key.pem": 0o640, "fullchain.pem": 0o640, "generation.json": 0o640}


def test_the_default_is_looked_at_without_a_name_and_the_domain_with_it(box):
    module = WebUI(domain="gw.example.com", listen=["0.0.0.0:8443", "[::]:8443"])
    endpoints = list(module.probes(box.context(module, "webui")))
    assert [(each.slot, str(each.address), each.server_name) for each in endpoints] == [
        ("address", "0.0.0.0:8443", ""),
        ("name", "0.0.0.0:8443", "gw.example.com"),
    ]
    assert {each.others for each in endpoints} == {(Address(host="::", port=8443),)}


def test_it_is_served_on_every_address_by_default_and_without_ipv6_on_those_of_ipv4():
    module = WebUI()
    assert [str(each) for each in module.addresses(HOST)] == ["0.0.0.0:8443", "[::]:8443"]
    assert [str(each) for each in module.addresses(HostFacts(name="gw", addresses=("127.0.0.1",)))] == ["0.0.0.0:8443"]


def refusing(number: int) -> Callable[[str, int], socket.socket]:
    """Listen as a kernel does that answers with an error wherever IPv6 is asked for."""

    def listen(host: str, port: int) -> socket.socket:
        if host == "::":
            raise CannotListen(host, "it is so") from OSError(number, "it is so")
        return socket.socket()

    return listen


def test_ipv6_that_was_switched_off_meanwhile_keeps_nobody_out():
    for number in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
        (only,) = all_listening([("0.0.0.0", 1), ("::", 1)], refusing(number))
        only.close()
        with pytest.raises(CannotListen):
            all_listening([("::", 1)], refusing(number))
    with pytest.raises(CannotListen):
        all_listening([("::", 1), ("0.0.0.0", 1)], refusing(errno.EADDRINUSE))


def expected(box: WebUIAppliance, context: Context, slot: str) -> Expected:
    intermediate = box.chains[slot].intermediates[0].fingerprint(SHA256()).hex()
    return Expected(fingerprints=(context.chains[slot].id, intermediate), generation=int(context.generation))


def look(box: WebUIAppliance, module: WebUI, context: Context) -> list[object]:
    """Return what is wrong with each endpoint, None where nothing is."""
    wanted = [(each, expected(box, context, each.slot)) for each in module.probes(context)]
    looks = [(one, what) for each, what in wanted for one in (first_address(each), *further_addresses(each, ()))]
    return [mismatch(each, each.probe.look(each, time.monotonic() + PATIENCE, what), what) for each, what in looks]


def test_the_process_is_seen_with_both_chains_and_takes_the_next_generation_by_its_service(box):
    port = free_port()
    module = WebUI(domain="gw.example.com", listen=[f"0.0.0.0:{port}", f"[::]:{port}"])
    service = WebUIService(manager="commands")
    first = box.stage(module)
    box.start(module, first, service.pid_path(box.layout.service("webui")))
    assert look(box, module, first) == [None] * 4  # each over IPv4 and over IPv6

    box.chains.clear()
    second = box.stage(module)
    entry = entry_of(second, box.layout)
    assert box.runner.run(service.check_command(entry)).ok
    switch(second.places.state, second.directory)
    action = service.reload_command(entry)
    assert isinstance(action, Signal)
    assert box.runner.run(action).ok
    until(lambda: look(box, module, second) == [None] * 4)
    assert [problem.code for problem in look(box, module, first)] == ["deploy.wrong_chain"] * 4


def test_a_change_of_the_configuration_alone_is_seen_by_its_number(box):
    module = WebUI(listen=f"127.0.0.1:{free_port()}")
    context = box.stage(module)
    box.start(module, context, WebUIService(manager="commands").pid_path(box.layout.service("webui")))
    (problem,) = look(box, module, replace(context, generation="2"))
    assert problem.code == "deploy.wrong_generation"


def entry_of(context: Context, layout: Layout) -> ServiceContext:
    part = ModulePart(module=context.module, plugin="webui", directory=context.directory)
    places = layout.service("webui")
    return ServiceContext(
        service="webui",
        directory=places.state / "1",
        parts=(part,),
        host=context.host,
        http01=context.http01,
        places=places,
    )


def test_the_check_loads_the_candidate_as_the_process_will(box):
    module = WebUI(domain="gw.example.com")
    context = box.stage(module)
    (context.directory / "name/key.pem").write_bytes((context.directory / "address/key.pem").read_bytes())
    result = box.runner.run(WebUIService().check_command(entry_of(context, box.layout)))
    assert not result.ok
    assert "This private key does not belong to the first certificate" in result.summary


def test_under_systemd_the_unit_is_asked():
    places = Layout(Path("/")).service("webui")
    context = ServiceContext(
        service="webui", directory=places.state / "1", parts=(), host=HOST, http01=None, places=places
    )
    service = WebUIService()
    assert str(service.reload_command(context)) == "systemctl reload chainwright-web"
    assert str(service.running(context)) == "systemctl is-active --quiet chainwright-web"
    assert str(service.start_command(context)) == "systemctl start chainwright-web"
    assert service.pid_path(places) == Path("/run/chainwright-web/webui.pid")


def test_without_systemd_the_process_is_found_where_it_writes_its_number_unless_it_is_told_otherwise():
    places = Layout(Path("/srv/box")).service("webui")
    context = ServiceContext(
        service="webui", directory=places.state / "1", parts=(), host=HOST, http01=None, places=places
    )
    service = WebUIService(manager="commands")
    assert service.running(context) == places.rooted(PID_FILE)
    assert service.start_command(context) is None, "there is nothing to serve"


ANSWERS = {
    "it is dead": b"",
    "it has a page only": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "it has no number": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "it is not HTTP": b"220 mail ready\r\n",
    "it is broken": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_process_that_is_dead_behind_its_handshake_is_found(tmp_path, answer):
    material = Maker(tmp_path).make()

    def speak(stream) -> None:
        stream.recv(4096)
        stream.sendall(answer)

    with listening(securing(material.context, speak)) as running:
        endpoint = Endpoint(port=running.port, probe=WebUIProbe())
        with pytest.raises(ProbeFailed, match="/generation is"):
            WebUIProbe().look(
                endpoint, time.monotonic() + PATIENCE, Expected(fingerprints=material.fingerprints, generation=1)
            )
