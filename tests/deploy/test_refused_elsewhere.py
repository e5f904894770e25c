"""A configuration that names other endpoints and is refused: what runs is looked at where it runs."""

from agent.engine.recheck import Recheck
from agent.model.deployment import Outcome
from support.appliances.deployed import Deployed, served
from support.ports import free_port

NAME = "t.example.test"


def test_what_runs_is_seen_where_it_was_while_a_new_port_is_refused(tunnel: Deployed) -> None:
    port = tunnel.port
    tunnel.override("tunnel/toyd.conf.j2", "{% include 'default:toyd.conf.j2' %}\nlisten-to everything\n")
    settings = tunnel.layout.settings
    settings.write_text(settings.read_text().replace(str(port), str(free_port())))
    tunnel.apply(recheck=Recheck.ALL)
    tunnel.apply(recheck=Recheck.ALL)
    assert [(each.address, each.ok) for each in tunnel.records()] == [(f"127.0.0.1:{port}", True)]
    assert [each.problem.code for each in tunnel.refusals()] == ["deploy.check_refused"]
    assert tunnel.deployment("tunnel").outcome is not Outcome.WAITING
    assert served(port, NAME)
    tunnel.stop("toyd")
    tunnel.apply(recheck=Recheck.ALL)
    assert [(each.address, each.ok) for each in tunnel.records()] == [(f"127.0.0.1:{port}", False)]
    assert tunnel.deployment("tunnel").outcome is Outcome.WAITING
