"""nginx that does not run yet, no longer, or is not installed: waited for, never a rollback."""

import socket

from agent.engine.recheck import Recheck
from agent.model.deployment import EndpointRecord, Outcome
from support.appliances.proxied import INCLUDED, OWN, SITES, Proxied
from support.clients.terminal import Terminal
from support.processes.tree import kill_all
from support.servers.local import Maker, listening, securing
from support.told import told


def problem_of(box: Proxied) -> str:
    deployment = box.deployment("reverse_proxy")
    assert deployment.outcome is Outcome.WAITING
    return deployment.problem.cause.replace(str(box.root), "ROOT")


NOT_RUNNING = "The service can't be reloaded: no process has the number in ROOT/run/chainwright/nginx.pid."


def test_while_nginx_does_not_run_everything_is_in_place_and_waits_until_somebody_starts_it(proxied):
    proxied.apply()
    assert problem_of(proxied) == NOT_RUNNING
    proxied.start_service()
    proxied.assert_served(*SITES)
    assert proxied.deployment("reverse_proxy").outcome is Outcome.WAITING
    proxied.runner.ran.clear()
    proxied.apply()
    assert proxied.deployment("reverse_proxy").outcome is Outcome.LIVE
    assert proxied.deployment("reverse_proxy").problem is None
    assert proxied.runner.acted == []


def test_chains_are_renewed_while_it_waits_and_nginx_starts_with_them(proxied):
    proxied.apply()
    before = proxied.chains()
    proxied.renew()
    proxied.apply()
    assert problem_of(proxied) == NOT_RUNNING
    assert set(before.values()).isdisjoint(proxied.chains().values())
    proxied.start_service()
    proxied.assert_served(*SITES)


def test_the_agent_starts_it_where_it_may(proxied):
    proxied.configure(service={**OWN, "start": True})
    proxied.apply()
    assert proxied.deployment("reverse_proxy").outcome is Outcome.LIVE
    proxied.assert_served(*SITES)
    proxied.kill()
    proxied.clock.advance(minutes=16)
    proxied.apply()
    proxied.assert_served(*SITES)
    assert proxied.deployment("reverse_proxy").outcome is Outcome.LIVE


def test_a_start_that_fails_is_told_with_nginxs_words_until_it_works(proxied):
    with socket.create_server(("127.0.0.1", proxied.port)):
        proxied.configure(service={**OWN, "start": True})
        proxied.apply()
        found = told(proxied)
        assert {each["problem"]["code"] for each in found} == {"deploy.start_failed"}
        assert {(each["kind"], each["severity"]) for each in found} == {("chain", "error")}
        problem = found[0]["problem"]
        assert problem["cause"].startswith(
            "The service does not run, and can't be started (plugins.nginx.start_nginx): "
        )
        assert f"bind() to 127.0.0.1:{proxied.port} failed (98: " in problem["cause"]
        assert (problem["where"], problem["effect"]) == ("nginx", "The new files are in place for its start.")
        assert f"bind() to 127.0.0.1:{proxied.port} failed" in problem["detail"]
    proxied.apply(retry=True)
    assert [each for each in told(proxied) if each["problem"]["code"] == "deploy.start_failed"] == []
    proxied.assert_served(*SITES)


def test_a_start_that_fails_is_tried_again_with_back_off_and_at_once_when_a_person_asks(proxied):
    def starts(**options):
        proxied.runner.ran.clear()
        proxied.apply(**options)
        return proxied.runner.count("start_nginx")

    with socket.create_server(("127.0.0.1", proxied.port)):
        proxied.configure(service={**OWN, "start": True})
        assert starts() == 1
        first = proxied.deployment("reverse_proxy").problem
        assert starts() == 0
        assert proxied.deployment("reverse_proxy").problem == first
        proxied.clock.advance(seconds=61)
        assert starts() == 1
        proxied.clock.advance(seconds=61)
        assert starts() == 0
        assert starts(retry=True) == 1
        assert {each["problem"]["code"] for each in told(proxied)} == {"deploy.start_failed"}
    assert starts(recheck=Recheck.SAMPLE) == 1
    assert told(proxied) == []
    proxied.assert_served(*SITES)


def test_a_killed_nginx_is_found_by_the_next_look_and_picked_up_when_it_is_back(serving):
    serving.kill()
    assert serving.apply().performed == ()
    serving.clock.advance(minutes=16)
    serving.apply()
    assert {each.problem.code for each in serving.records()} == {"deploy.service_stopped"}
    serving.start_service()
    serving.apply()
    assert serving.deployment("reverse_proxy").outcome is Outcome.LIVE
    serving.assert_served(*SITES)


def test_a_killed_nginx_does_not_spoil_a_renewal(serving):
    before = serving.chains()
    serving.kill()
    serving.renew()
    serving.apply()
    assert problem_of(serving) == NOT_RUNNING
    assert set(before.values()).isdisjoint(serving.chains().values())
    serving.start_service()
    serving.apply()
    assert serving.deployment("reverse_proxy").outcome is Outcome.LIVE
    serving.assert_served(*SITES)


def test_while_nginx_is_not_installed_everything_is_in_place_and_waits(proxied):
    proxied.configure(service={**OWN, "binary": "/usr/sbin/no-such-nginx", "start": True})
    proxied.apply()
    assert problem_of(proxied) == "The service can't be reloaded: /usr/sbin/no-such-nginx is not installed."
    assert (proxied.live("reverse_proxy") / "sites" / f"{SITES[0]}.key.pem").exists()
    proxied.configure(service={**OWN, "start": True})
    proxied.apply()
    assert proxied.deployment("reverse_proxy").outcome is Outcome.LIVE
    proxied.assert_served(*SITES)


def test_a_private_nginx_whose_last_module_is_gone_listens_nowhere_and_goes_on(serving):
    master = serving.master
    serving.settings('hostname = "gw"\naddresses = ["127.0.0.1"]\n')
    serving.apply()
    assert serving.master == master
    assert {serving.seen(name)[0] for name in SITES} == {""}
    assert list(serving.layout.modules.rglob("*.pem")) == []
    serving.kill()
    serving.start_service()
    assert serving.apply().performed == ()
    serving.configure()
    serving.apply()
    assert serving.deployment("reverse_proxy").outcome is Outcome.LIVE
    serving.assert_served(*SITES)


def look(box: Proxied) -> list[EndpointRecord]:
    """Look as a person's call does."""
    box.engine().apply(wait=0, recheck=Recheck.SAMPLE)
    return box.records()


def degraded(box: Proxied) -> list[str]:
    """Return what `status` and its JSON say is wrong, after the exit code was that of a degraded appliance."""
    terminal = Terminal(box.root)
    assert terminal.run("status").returncode == 3
    return [each["problem"]["code"] for each in terminal.json("status")["findings"] if each["severity"] == "error"]


def test_an_nginx_that_is_killed_is_told_at_the_next_look_and_after_a_renewal_too(proxied):
    proxied.bring_up()
    proxied.kill()
    assert {each.problem.code for each in look(proxied)} == {"deploy.service_stopped"}
    assert set(degraded(proxied)) == {"deploy.service_stopped"}
    proxied.renew()
    proxied.apply()
    assert proxied.deployment("reverse_proxy").outcome is Outcome.WAITING
    assert set(degraded(proxied)) == {"deploy.service_stopped"}
    proxied.start_service()
    assert all(each.ok for each in look(proxied))


def test_another_program_at_the_port_of_nginx_is_named(proxied, tmp_path):
    proxied.bring_up()
    proxied.kill()
    other = Maker(tmp_path).make("other.example.test")
    with listening(securing(other.context), port=proxied.port):
        records = look(proxied)
    assert {each.problem.code for each in records} == {"deploy.other_certificate"}
    assert all('"other.example.test", issued by "Toy Intermediate"' in each.problem.cause for each in records)
    assert set(degraded(proxied)) == {"deploy.other_certificate"}


def former_instances(box: Proxied) -> list[str]:
    return [each["problem"]["cause"] for each in told(box) if each["problem"]["code"] == "deploy.former_instance"]


def test_an_nginx_of_its_own_that_goes_on_beside_the_administrators_is_told_until_it_has_ended(serving):
    own = serving.master
    serving.write_main_file()
    serving.configure(service=dict(INCLUDED), probe_timeout=1)
    serving.apply()
    assert former_instances(serving) == [
        (
            f"The nginx of the agent's own still runs (pid {own}), though the settings name another one: what it read is "
            "served on, and where it listens the other can't."
        )
    ]
    kill_all([own])
    serving.start_service()
    serving.apply()
    assert told(serving) == []
    serving.assert_served(*SITES)


def test_nothing_is_told_of_it_when_it_is_named_again(serving):
    serving.write_main_file()
    serving.configure(service=dict(INCLUDED), probe_timeout=1)
    serving.apply()
    serving.configure(service=dict(OWN), probe_timeout=3)
    serving.apply()
    assert told(serving) == []
    serving.assert_served(*SITES)


def test_another_chain_of_ours_on_the_port_of_an_nginx_that_is_gone_is_no_waiting(serving):
    """A chain that is known here, but not this module's, as where another service was given the wrong port."""
    pair = serving.root / "other.pem"
    live = serving.live("reverse_proxy") / "sites"
    pair.write_bytes(b"".join(each.read_bytes() for each in live.glob(f"{SITES[2]}.*.pem")))
    serving.kill()
    (serving.root / "other.conf").write_text(f"listen {serving.port}\nsite {SITES[0]} {pair}\n")
    serving.start("other", serving.root / "other.conf")
    for _ in range(2):
        serving.apply(recheck=Recheck.ALL)
        found = {(each["kind"], each["severity"], each["problem"]["code"]) for each in told(serving)}
        assert found == {("chain", "error", "deploy.wrong_chain")}
    serving.stop("other")
    serving.start_service()
    for _ in range(2):
        serving.apply(recheck=Recheck.ALL)
    assert told(serving) == []
