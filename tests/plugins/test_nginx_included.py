"""The administrator's own nginx.conf includes ours: tested after the rename and before the reload."""

from dataclasses import replace
from typing import Any

import pytest

from agent.engine.recheck import Recheck
from agent.errors.deploy import ServiceRefusesPresent
from agent.model.deployment import Outcome, Step
from agent.model.finding import Finding, SubjectKind
from agent.system.command import Signal, SystemRunner
from agent.system.processes import process_of
from support.appliances.proxied import INCLUDED, LOOKED_UP_BY_NGINX, OWN, SITES, Proxied
from support.clients.terminal import Terminal
from support.paths import DYING
from support.processes import prepared
from support.processes.tree import kill_all
from support.told import codes, told
from support.waiting import until

RENEWAL = 61 * 86400.0
PUBLISHED = "etc/nginx/conf.d/chainwright.conf"

SECOND = """
[modules.other]
plugin = "reverse_proxy"
listen = "127.0.0.1:{port}"
listen_http = []
[[modules.other.sites]]
domains = ["z.example.test"]
upstream = "http://127.0.0.1:9"
"""


def live_links(box: Proxied) -> list[str]:
    return [str(path.readlink()) for path in sorted(box.layout.state.glob("*/*/live"))]


def assert_consistent(box: Proxied) -> None:
    """The links name what the store says is in service, and all of it is there."""
    with box.store() as store:
        assert store.deployments.transactions() == []
        generation = store.deployments.generation("module:reverse_proxy", box.deployment("reverse_proxy").generation)
        entry = store.deployments.entry("nginx")
    assert live_links(box) == [str(generation.number), str(entry)]
    assert all((box.live("reverse_proxy") / file.path).exists() for file in generation.files)


def test_each_site_is_served_and_the_administrators_file_is_as_it_was(included):
    before = included.main_file.read_text()
    included.renew()
    included.apply()
    included.assert_served(*SITES)
    assert included.main_file.read_text() == before
    assert (included.root / PUBLISHED).read_text() == (
        f'# Made by Chainwright; changes here are lost.\ninclude "{included.layout.service("nginx").live}/http.conf";\n'
    )
    test, reload, diagnosis, look = map(str, included.runner.ran)
    assert test.startswith("/usr/sbin/nginx ")
    assert reload.startswith("SIGHUP ")
    assert "plugins.nginx.diagnose" in diagnosis
    assert "plugins.nginx.observe" in look


class Watching:
    """Remembers what the links named whenever a step was entered."""

    def __init__(self, box: Proxied) -> None:
        self.seen: list[tuple[str, list[str]]] = []
        self._box = box

    def __call__(self, event) -> None:
        if event.kind == "step":
            self.seen.append((event.detail["step"], live_links(self._box)))


def test_it_is_tested_after_the_rename_and_before_the_reload(included):
    before = live_links(included)
    watching = Watching(included)
    included.renew()
    engine = included.engine()
    engine.bus = replace(engine.bus, listeners=[watching])
    engine.apply(wait=0)
    steps = dict(watching.seen)
    assert steps[Step.STAGED] != before  # the second time: the test's renames are the switch's
    assert steps[Step.CHECK] != before
    order = [step for step, _links in watching.seen]
    assert order.index(Step.CHECK) < order.index(Step.RELOADING)


def test_a_refusal_undoes_the_rename_and_reloads_nothing(included):
    before = live_links(included)
    included.override("reverse_proxy/http.conf.j2", "wrong on purpose;\n")
    included.apply()
    assert live_links(included) == before
    assert included.runner.count("SIGHUP") == 0
    problem = included.deployment("reverse_proxy").problem
    assert "\n".join(problem.lines()).replace(str(included.root), "ROOT") == (
        'nginx refused the new configuration: [emerg] unknown directive "wrong" in '
        "ROOT/var/lib/chainwright/modules/reverse_proxy/2/http.conf:1.\n"
        "What is in service was not changed. The refused files are in ROOT/var/lib/chainwright/modules/reverse_proxy/refused "
        "until the next try. Correct the setting or template that it names, then: chainwright apply"
    )
    assert problem.detail.replace(str(included.root), "ROOT").splitlines()[0] == (
        "$ /usr/sbin/nginx -e stderr -t -c ROOT/etc/nginx/nginx.conf"
    )
    included.assert_served(*SITES)
    assert_consistent(included)


def test_one_sites_fault_is_found_and_the_others_get_their_new_chains(included):
    included.override("reverse_proxy/site.conf.j2", LOOKED_UP_BY_NGINX)
    included.configure(upstreams={SITES[1]: "http://nowhere.invalid"})
    included.renew()
    included.apply()
    included.assert_served(*SITES)
    assert [each.slot for each in included.refusals()] == [SITES[1]]
    assert included.runner.count("SIGHUP") == 1
    assert_consistent(included)
    with included.store() as store:
        on_disk = sorted(int(path.name) for path in included.layout.service("nginx").state.glob("[0-9]*"))
        assert store.deployments.numbers("service:nginx") == on_disk


def test_the_administrators_own_mistake_is_named_changes_nothing_and_blames_no_chain(included):
    text = included.main_file.read_text()
    before, links = {name: included.seen(name)[0] for name in SITES}, live_links(included)
    included.main_file.write_text(text.replace("access_log off;", "access_log of"))
    included.renew()
    included.apply()
    assert {name: included.seen(name)[0] for name in SITES} == before
    assert live_links(included) == links
    deployment = included.deployment("reverse_proxy")
    assert (deployment.outcome, deployment.problem.code) == (Outcome.REFUSED, ServiceRefusesPresent.code)
    assert str(included.main_file) in deployment.problem.cause
    included.main_file.write_text(text)
    included.apply(retry=True)
    included.assert_served(*SITES)
    assert included.refusals() == []


def test_a_module_that_could_not_be_taken_out_is_taken_out_when_nginx_accepts_it_again(included):
    included.configure(more=SECOND.format(port=included.port))
    included.apply()
    text = included.main_file.read_text()
    included.main_file.write_text(text.replace("access_log off;", "access_log of"))
    included.configure(more="")
    included.apply()
    assert included.seen("z.example.test")[0] != ""
    held = included.deployment("other").problem
    assert (held.code, str(included.main_file) in held.cause) == ("deploy.not_taken_out", True)
    assert included.apply().performed == ()
    included.main_file.write_text(text)
    included.apply(retry=True)
    until(lambda: included.seen("z.example.test")[0] == "", what="nginx has let go of it")
    assert list(included.layout.module("other").state.glob("**/key.pem")) == []
    included.assert_served(*SITES)
    assert included.apply().performed == ()


def test_a_foreign_file_at_the_published_path_is_not_overwritten():
    with Proxied.make(service=dict(INCLUDED)) as box:
        box.write_main_file()
        box.configure()
        foreign = box.root / PUBLISHED
        foreign.write_text("# mine\n")
        box.apply()
        problem = box.deployment("reverse_proxy").problem
        assert "\n".join(problem.lines()) == (
            f"{foreign}: A file of the administrator's own is where a file of the agent belongs; it is not overwritten.\n"
            "What is in service was not changed. Move it away, then: chainwright apply"
        )
        assert foreign.read_text() == "# mine\n"
        foreign.unlink()
        box.clock.advance(minutes=2)
        box.bring_up()
        box.assert_served(*SITES)


def test_where_nginx_is_not_installed_the_file_is_in_place_before_its_directory_is():
    with Proxied.make(service={**INCLUDED, "binary": "/usr/sbin/no-such-nginx"}) as box:
        box.configure()
        box.apply()
        deployment = box.deployment("reverse_proxy")
        assert deployment.outcome is Outcome.WAITING
        assert deployment.problem.cause == "The service can't be reloaded: /usr/sbin/no-such-nginx is not installed."
        assert (box.root / PUBLISHED).exists()
        box.write_main_file()
        box.configure(service=dict(INCLUDED))
        box.start_service()
        box.apply()
        assert box.deployment("reverse_proxy").outcome is Outcome.LIVE
        box.assert_served(*SITES)


def test_a_fixed_path_that_can_not_be_written_is_named_and_the_pass_goes_on():
    with Proxied.make(service=dict(INCLUDED)) as box:
        (box.root / "etc/nginx").mkdir(parents=True)
        (box.root / "etc/nginx/conf.d").write_text("a file where the directory should be\n")
        box.configure()
        box.apply()
        problem = box.deployment("reverse_proxy").problem
        assert problem.code == "deploy.disk"
        assert problem.where == str((box.root / PUBLISHED).parent)
        assert_nothing_is_left_open(box)


def assert_nothing_is_left_open(box: Proxied) -> None:
    with box.store() as store:
        assert store.deployments.transactions() == []


# A crash at every step, and before every rename


def die_at(box: Proxied, where: str) -> None:
    argv = [DYING, box.root, where, str(box.clock.offset.total_seconds())]
    assert prepared.run(argv).returncode == 9, f"it never came to {where}"


def restart(box: Proxied) -> None:
    """As after a power cut: nginx reads what is on disk."""
    box.kill()
    box.start_service()


def assert_served_whole(box: Proxied, before: dict[str, str]) -> None:
    """Each site serves one of its chains, with the key that matches: the handshake would fail otherwise."""
    now = box.chains()
    assert all(box.seen(name)[0] in {before[name], now[name]} for name in SITES)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("step", [step for step in Step if step is not Step.GOING_BACK])
def test_a_crash_at_any_step_leaves_what_nginx_can_start_with_and_the_next_run_converges(included, step):
    before = included.chains()
    included.renew()
    die_at(included, step)
    assert_served_whole(included, before)
    restart(included)
    assert_served_whole(included, before)
    included.apply()
    included.assert_served(*SITES)
    assert_consistent(included)
    assert included.apply().performed == ()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("number", range(1, 9))
def test_a_crash_before_any_rename_of_a_hunt_for_a_culprit_does_so_too(included, number):
    before = included.chains()
    included.override("reverse_proxy/site.conf.j2", LOOKED_UP_BY_NGINX)
    included.configure(upstreams={SITES[1]: "http://nowhere.invalid"})
    included.renew()
    die_at(included, f"rename:{number}")
    included.engine().boot()
    restart(included)
    assert_served_whole(included, before)
    included.apply()
    included.assert_served(*SITES)
    assert_consistent(included)


def without_all_tables(box: Proxied) -> None:
    """Nothing is left that would say how nginx is spoken to."""
    box.settings('hostname = "gw"\naddresses = ["127.0.0.1"]\n')


def test_the_last_module_takes_with_it_what_was_published(included):
    without_all_tables(included)
    included.apply()
    assert {name: included.seen(name)[0] for name in SITES} == dict.fromkeys(SITES, "")
    assert not (included.root / PUBLISHED).exists()
    assert list(included.layout.modules.rglob("*.pem")) == []
    assert included.apply().performed == ()


def test_where_their_main_file_names_ours_itself_an_empty_one_stays_and_what_to_do_is_said(included):
    text = included.main_file.read_text()
    line = f"include {included.root / PUBLISHED};"
    pattern = next(each for each in text.splitlines() if "conf.d/" in each)
    included.main_file.write_text(text.replace(pattern.strip(), line))
    without_all_tables(included)
    included.apply()
    assert {name: included.seen(name)[0] for name in SITES} == dict.fromkeys(SITES, "")
    assert (included.root / PUBLISHED).exists()
    assert list(included.layout.modules.rglob("*.pem")) == []
    problem = included.deployment("reverse_proxy").problem
    assert (problem.code, str(included.root / PUBLISHED) in problem.cause) == ("deploy.left_behind", True)
    assert included.apply().performed == ()
    included.main_file.write_text(text.replace(pattern.strip(), ""))
    included.runner.ran.clear()
    included.apply(retry=True)
    assert not (included.root / PUBLISHED).exists()
    with included.store() as store:
        assert store.deployments.all() == {}
    assert included.apply().performed == ()


MOVED = "etc/nginx/conf.d/moved.conf"


@pytest.mark.parametrize("where", ["", Step.SWITCHING, Step.RELOADING, Step.PROBING, *(f"rename:{n}" for n in (1, 2))])
def test_the_file_that_is_included_moves_in_one_step(included, where):
    """Their main file includes every file of a directory: with both there, nginx would not start."""
    included.configure(service={**INCLUDED, "include": f"/{MOVED}"})
    if where:
        die_at(included, where)
        restart(included)
    included.apply()
    included.assert_served(*SITES)
    assert not (included.root / PUBLISHED).exists()
    assert (included.root / MOVED).exists()
    assert_consistent(included)
    assert included.apply().performed == ()


ELSEWHERE = "etc/nginx/elsewhere/chainwright.conf"


def lines(box: Proxied) -> list[str]:
    text = "\n".join(box.deployment("reverse_proxy").problem.lines())
    return text.replace(str(box.root), "ROOT").split("\n")


def test_a_place_that_their_main_file_does_not_include_is_named_with_the_line_to_add_and_what_served_goes_on(included):
    included.configure(service={**INCLUDED, "include": f"/{ELSEWHERE}"})
    (included.root / ELSEWHERE).parent.mkdir()
    included.apply()
    assert lines(included)[0] == (
        "nginx: ROOT/etc/nginx/nginx.conf does not include ROOT/etc/nginx/elsewhere/chainwright.conf; "
        "add inside http { }: include ROOT/etc/nginx/elsewhere/chainwright.conf;."
    )
    assert lines(included)[1].startswith("The previous generation was put back, and was seen to be served.")
    assert lines(included)[1].endswith("Add what is missing, then: chainwright apply")
    included.assert_served(*SITES)
    text = included.main_file.read_text()
    included.main_file.write_text(text.replace("access_log off;", "access_log off; include elsewhere/*.conf;"))
    included.apply(retry=True)
    included.assert_live()
    included.assert_served(*SITES)
    assert (included.root / ELSEWHERE).exists()


def test_a_place_that_was_never_included_is_named_as_well():
    with Proxied.make(service={**INCLUDED, "include": f"/{ELSEWHERE}"}) as box:
        box.write_main_file()
        (box.root / ELSEWHERE).parent.mkdir()
        box.configure()
        box.start_service()
        box.apply()
        assert box.deployment("reverse_proxy").problem.code == "deploy.not_included"


def test_an_instance_of_its_own_takes_over_from_theirs_which_lets_go(included):
    theirs = included.pid_file
    included.configure(service={**OWN, "start": True})
    included.apply()
    assert not (included.root / PUBLISHED).exists()
    included.apply()
    included.assert_live()
    included.assert_served(*SITES)
    assert process_of(theirs) is not None
    included.configure(service=dict(INCLUDED))
    own = included.layout.run / "nginx.pid"
    SystemRunner().run(Signal(own, name="QUIT"))
    until(lambda: process_of(own) is None, what="it has ended")
    included.apply()
    assert (included.root / PUBLISHED).exists()
    included.assert_live()
    included.assert_served(*SITES)
    kill_all([process_of(theirs)])


def test_their_main_file_that_still_names_ours_keeps_the_switch_to_an_instance_of_its_own_back(included):
    text = included.main_file.read_text()
    pattern = next(each for each in text.splitlines() if "conf.d/" in each)
    included.main_file.write_text(text.replace(pattern.strip(), f"include {included.root / PUBLISHED};"))
    main_file = included.main_file
    included.configure(service=dict(OWN))
    included.apply()
    assert included.deployment("reverse_proxy").outcome is Outcome.REFUSED
    assert (included.root / PUBLISHED).exists()
    main_file.write_text(text.replace(pattern.strip(), ""))
    included.apply(retry=True)
    assert not (included.root / PUBLISHED).exists()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("step", [step for step in Step if step is not Step.GOING_BACK])
def test_a_crash_while_the_last_module_is_taken_out_leaves_what_nginx_can_start_with(included, step):
    without_all_tables(included)
    die_at(included, step)
    restart(included)
    included.apply()
    until(lambda: included.seen(SITES[0])[0] == "", what="nginx has let go")
    assert not (included.root / PUBLISHED).exists()
    assert list(included.layout.modules.rglob("*.pem")) == []
    assert included.apply().performed == ()


def test_what_nginx_warns_of_that_names_ours_is_a_finding_until_it_is_mended(included):
    """Of two servers with one name nginx takes the first, and says so only in its test."""
    their = included.main_file.parent / "conf.d/their.conf"
    server = "server {{ listen 127.0.0.1:{}; server_name {}; return 404; }}\n"
    their.write_text("".join(server.format(included.http_port, name) for name in (SITES[0], "x.test", "x.test")))
    included.override("reverse_proxy/http.conf.j2", '{% include "default:http.conf.j2" %}\n# changed\n')
    included.apply()
    where = f"127.0.0.1:{included.http_port}"
    assert [each.problem.cause for each in findings(included)] == [
        f"nginx ignores the {SITES[0]} of {their}:1 at {where}, as Chainwright's server comes before it."
    ]
    their.unlink()
    included.renew()
    included.apply()
    assert findings(included) == []


THEIR_SITE = """server {{
    listen 127.0.0.1:{port} ssl;
    server_name their.test;
    ssl_certificate {pem};
    ssl_certificate_key {pem};
}}
"""


def look(box: Proxied) -> list[dict[str, Any]]:
    """Look at the endpoints as a person's `apply` does; return what is told then."""
    assert box.engine().apply(wait=0, recheck=Recheck.ALL).performed == ()
    return told(box)


def test_their_main_file_that_nginx_would_not_start_with_is_told_until_it_is_mended(included):
    assert look(included) == []
    text = included.main_file.read_text()
    included.main_file.write_text(text.replace("access_log off;", "access_log of"))
    found = look(included)
    assert codes(found) == [("service", "nginx", "error", "deploy.next_start_fails")]
    problem = found[0]["problem"]
    command = f"/usr/sbin/nginx -e stderr -t -c {included.main_file}"
    assert problem["cause"].startswith("nginx would not start with what is in place now: [emerg] unknown log format ")
    assert problem["effect"] == "What is in service goes on until it is restarted."
    assert problem["fix"] == f"Correct what it names, as this shows it: {command}; then: chainwright apply"
    assert problem["detail"].splitlines()[0] == f"$ {command}"
    assert str(included.main_file) in problem["detail"].splitlines()[1]
    assert included.runner.count("SIGHUP") == 0
    included.assert_live()
    included.assert_served(*SITES)
    assert Terminal(included.root).run("apply").returncode == 3
    included.main_file.write_text(text)
    assert Terminal(included.root).run("apply").returncode == 0, "though nothing is due, and it was looked at just now"
    assert told(included) == []


def test_a_file_of_theirs_that_went_is_told_too_and_no_longer_once_all_is_taken_out(included):
    pem = included.root / "their.pem"
    their = included.main_file.parent / "conf.d/their.conf"
    their.write_text(THEIR_SITE.format(port=included.port, pem=pem))
    found = look(included)
    assert codes(found) == [("service", "nginx", "error", "deploy.next_start_fails")]
    assert f'cannot load certificate "{pem}"' in found[0]["problem"]["cause"]
    their.unlink()
    without_all_tables(included)
    included.apply()
    assert findings(included) == []


def findings(box: Proxied) -> list[Finding]:
    with box.store() as store:
        return [each for each in store.conditions.all() if each.kind is SubjectKind.SERVICE]
