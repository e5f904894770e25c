"""What a plugin declares and can't be right is refused by name, before anything is switched; it costs nothing but itself."""

import re

import pytest

from agent.model.deployment import Outcome
from agent.model.finding import SubjectKind
from agent.report import read_snapshot, report
from support.appliances.deployed import Deployed, served
from support.paths import THIRD_PARTY
from support.ports import free_port

NAME = "t.example.test"
ENDPOINT = "Endpoint(port=self.port, server_name=self.domain)"
WRONG_SLOT = ENDPOINT.replace("self.domain)", 'self.domain, slot="tunel")')
PROBES = "ROOT/etc/chainwright/plugins/tunnel.py:LINE"


def install(appliance: Deployed, endpoints: str = ENDPOINT, more: str = "") -> None:
    appliance.drop_in("tunnel")
    source = (THIRD_PARTY / "tunnel.py").read_text().replace(ENDPOINT, endpoints)
    (appliance.layout.plugins / "tunnel.py").write_text(source.replace("    port: int", f"{more}    port: int"))


def configure(appliance: Deployed, top: str = "", more: str = "") -> None:
    appliance.port = free_port()
    table = f'[modules.tunnel]\nport = {appliance.port}\ndomain = "{NAME}"\n'
    appliance.settings(f'hostname = "gw"\n{top}[probe]\ntimeout = 2\n{table}{more}')


def message(appliance: Deployed) -> str:
    problem = appliance.deployment("tunnel").problem
    return re.sub(r"(\.py|127\.0\.0\.1):\d+", r"\1:N", "\n".join(problem.lines()).replace(str(appliance.root), "ROOT"))


@pytest.mark.parametrize(
    ("endpoints", "reason"),
    [
        (
            WRONG_SLOT,
            'the endpoint 127.0.0.1:N (t.example.test) is of the slot "tunel", and the module asks for: default',
        ),
        ("", 'it is empty, and neither "unprobed" nor "confirm" says what shows its chains'),
    ],
)
def test_endpoints_that_can_not_be_right_are_refused_by_name_before_the_switch(appliance, endpoints, reason):
    install(appliance, endpoints)
    configure(appliance)
    appliance.apply()
    assert appliance.deployment("tunnel").outcome is Outcome.REFUSED
    assert message(appliance) == (
        f"tunnel (ROOT/etc/chainwright/plugins/tunnel.py:N): The plugin's answer to probes can't be used: {reason}.\n"
        "Its last generation stays in place, the others go on. Update the plugin; chainwright plugins names its distribution."
    )
    assert not appliance.layout.module("tunnel").live.exists()


def test_new_chains_go_on_when_a_plugin_forgets_its_endpoints_in_an_update(appliance):
    install(appliance)
    configure(appliance)
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()
    before = served(appliance.port, NAME)
    install(appliance, "")
    appliance.clock.advance(days=61)
    appliance.apply()
    assert served(appliance.port, NAME) not in {"", before}
    assert [each.problem.code for each in appliance.refusals()] == ["plugin.declaration_refused"]


def test_a_module_without_an_endpoint_is_taken_where_a_command_confirms_it(appliance):
    install(appliance, "", '    confirm = ("true",)\n')
    configure(appliance)
    appliance.apply()
    assert appliance.deployment("tunnel").outcome is Outcome.WAITING


SOURCE = (THIRD_PARTY / "slow.py").read_text()
DUE = SOURCE[SOURCE.index("        if state.chain is None:") : SOURCE.index("    def obtain")]
NAIVE = "        return Due(at=datetime(2026, 1, 1), reason='some day')\n\n"


@pytest.mark.parametrize(
    ("due", "reason"),
    [
        (
            NAIVE,
            "ValueError: the instant of Due is a datetime without a time zone; write for example now + timedelta(days=30)",
        ),
        ("        return None\n\n", "TypeError: it returned an object of type NoneType, not a Due"),
        (
            "        return Due(at=state.root, reason='some day')\n\n",
            "ValueError: the instant of Due is no datetime; write for example ",
        ),
        ("        return Due(at=1 / 0, reason='some day')\n\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_source_that_does_not_say_when_is_named_and_costs_only_itself(appliance, due, reason):
    install(appliance)
    (appliance.layout.plugins / "slow.py").write_text(SOURCE.replace(DUE, due))
    configure(appliance, 'sources = ["slow", "local"]\n')
    appliance.apply()
    assert appliance.deployment("tunnel").outcome is Outcome.WAITING
    now = appliance.clock()
    found = report(read_snapshot(appliance.layout, now), now)
    (finding,) = (each for each in found.findings if each.kind is SubjectKind.PLUGIN)
    text = "\n".join(finding.problem.lines()).replace(str(appliance.root), "ROOT")
    assert finding.subject == "slow"
    assert re.match(r'source "slow" \(ROOT/etc/chainwright/plugins/slow\.py:\d+\): ', text)
    assert f"The source failed in due: {reason}" in text
    assert found.degraded
    (appliance.layout.plugins / "slow.py").write_text(SOURCE)
    appliance.apply()
    now = appliance.clock()
    assert report(read_snapshot(appliance.layout, now), now).findings[:1] != found.findings[:1]


def test_a_naive_next_try_is_told_as_the_plugins_defect(appliance):
    install(appliance)
    naive = SOURCE.replace("retry_at=retry_at", "retry_at=retry_at.replace(tzinfo=None)")
    (appliance.layout.plugins / "slow.py").write_text(naive)
    configure(appliance, 'sources = ["slow", "local"]\n')
    appliance.apply()
    with appliance.store() as store:
        (order,) = (each for each in store.orders.records() if each.source == "slow")
    assert order.problem["cause"] == (
        "The source failed in a way it does not explain: ValueError: SourceError.retry_at has no time zone."
    )
    assert order.retry_at is not None
