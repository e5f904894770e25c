"""nginx can't be started any more with what was good before: what it refuses is left out, and everything else is served."""

import re
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from chainwright import Nginx
from support.appliances.proxied import OWN, SITES, Proxied
from support.clients.terminal import Terminal
from support.hosts import resolving
from support.told import codes, told
from support.toml import table

A, B, C = SITES
NAMING = '{% include "default:site.conf.j2" %}\n{% if slot == "b.example.test" %}\ninclude "FILE";\n{% endif %}\n'


def name_a_file(box: Proxied) -> Path:
    """Have the second site name a file outside of the agent's directory; return it."""
    file = box.root / "their.inc"
    file.write_text("# nothing\n")
    box.override("reverse_proxy/site.conf.j2", NAMING.replace("FILE", str(file)))
    return file


def end_without(box: Proxied, file: Path) -> None:
    """End nginx, and take the file away."""
    box.assert_served(*SITES)
    box.kill()
    file.unlink()
    box.runner.ran.clear()


def pressing(box: Proxied) -> list[dict]:
    """Return what is told that somebody should act on."""
    return [each for each in told(box) if each["severity"] != "notice"]


def assert_left_out(box: Proxied, file: Path) -> None:
    """The second site is told and not served, the others are."""
    box.assert_served(A, C)
    assert box.seen(B)[0] == ""
    found = pressing(box)
    assert codes(found) == [("chain", box.chains()[B], "error", "deploy.left_out")]
    assert found[0]["title"] == B
    problem = found[0]["problem"]
    place = rf"{box.layout.module('reverse_proxy').state}/[0-9]+/sites/{B}.conf:[0-9]+"
    said = rf'\[emerg\] open\(\) "{file}" failed \(2: No such file or directory\) in {place}'
    assert re.fullmatch(rf"nginx would not start with it: {said}\.", problem["cause"])
    assert problem["effect"].startswith("It is left out, so that the rest is served.")
    assert problem["fix"] == "Correct what it names, then: chainwright apply"
    assert problem["where"] == f"reverse_proxy/{B}"


@pytest.mark.parametrize("main", ["own", "include"])
def test_a_boot_leaves_out_a_site_that_nginx_refuses_and_it_comes_back_with_its_file(main):
    with Proxied.make(service={**OWN, "main": main}) as box:
        box.write_main_file()
        file = name_a_file(box)
        box.configure(service={"main": main, "manager": "commands"})
        box.bring_up()
        end_without(box, file)
        assert box.engine().boot().performed == ("left out what its service refuses of reverse_proxy",)
        assert box.runner.count(" -t ") == 3, "what nginx names is tried first"
        assert len(box.runner.acted) == 3
        box.start_service()
        box.apply()
        assert_left_out(box, file)
        box.clock.advance(minutes=2)
        box.apply()
        assert_left_out(box, file)
        file.write_text("# nothing\n")
        box.clock.advance(minutes=11)
        box.apply()
        box.assert_served(*SITES)
        assert box.refusals() == []
        assert pressing(box) == []


@pytest.mark.parametrize("start", [True, False])
def test_the_next_pass_does_so_too_and_starts_it_where_it_may(proxied, start):
    file = name_a_file(proxied)
    proxied.configure(service={**OWN, "start": start})
    proxied.apply()
    if not start:
        proxied.start_service()
        proxied.apply()
    end_without(proxied, file)
    proxied.clock.advance(minutes=16)
    proxied.apply()
    if not start:
        proxied.start_service()
        proxied.apply()
    assert_left_out(proxied, file)
    assert proxied.deployment("reverse_proxy").outcome is Outcome.LIVE


def test_a_site_keeps_its_last_configuration_that_nginx_accepts(serving):
    file = name_a_file(serving)
    serving.apply()
    end_without(serving, file)
    serving.engine().boot()
    serving.start_service()
    serving.renew()
    serving.apply()
    serving.assert_served(*SITES)
    found = pressing(serving)
    assert codes(found) == [("module", "reverse_proxy", "error", "deploy.left_out")]
    effect = "Its last configuration that the service accepts is in place, so that all is served."
    assert found[0]["problem"]["effect"].startswith(effect)
    assert f"include {file}" not in (serving.live("reverse_proxy") / "sites" / f"{B}.conf").read_text()


def test_while_it_runs_all_are_served_and_a_site_is_left_out_only_before_the_others_would_expire(proxied):
    file = name_a_file(proxied)
    proxied.bring_up()
    before = proxied.chains()
    file.unlink()
    proxied.renew()
    proxied.apply()
    assert {name: proxied.seen(name)[0] for name in SITES} == before
    assert {each.problem.code for each in proxied.refusals()} == {"deploy.present_refused"}
    proxied.clock.advance(days=26)
    proxied.apply()
    proxied.apply()
    assert set(before.values()).isdisjoint(proxied.chains().values())
    assert_left_out(proxied, file)


@pytest.mark.root
def test_a_boot_leaves_out_nothing_that_needs_a_network_and_a_later_pass_does(proxied):
    name = f"chainwright-{proxied.port}.invalid"
    upstream = f'{{% if slot == "{B}" %}}\nupstream their {{ server {name}; }}\n{{% endif %}}\n'
    proxied.override("reverse_proxy/site.conf.j2", '{% include "default:site.conf.j2" %}\n' + upstream)
    with resolving(name):
        proxied.bring_up()
    proxied.kill()
    proxied.runner.ran.clear()
    assert proxied.engine().boot().performed == ()
    assert proxied.runner.count(" -t ") == 1
    proxied.clock.advance(minutes=16)
    proxied.apply()
    proxied.start_service()
    proxied.apply()
    proxied.assert_served(A, C)
    assert f'host not found in upstream "{name}"' in pressing(proxied)[0]["problem"]["cause"]


@pytest.mark.parametrize(("addressed", "expected"), [(False, True), (True, False)])
def test_an_address_that_is_not_there_is_waited_for_only_before_there_is_any(addressed, expected):
    said = "nginx: [emerg] bind() to 192.0.2.1:443 failed (99: Cannot assign requested address)"
    assert Nginx().awaits_network(said, addressed) is expected


OTHER = "z.example.test"


def with_another_module(box: Proxied) -> None:
    where = {"plugin": "reverse_proxy", "listen": f"127.0.0.1:{box.port}", "listen_http": []}
    site = {"domains": [OTHER], "upstream": "http://127.0.0.1:9"}
    box.configure(more=table("modules.other", where) + table("[modules.other.sites]", site))


def test_a_module_is_left_out_as_a_whole_where_none_of_its_sites_is_to_blame_and_comes_back(proxied):
    file = proxied.root / "their.inc"
    file.write_text("# nothing\n")
    http = '{% include "default:http.conf.j2" %}\n{% if instance == "other" %}\ninclude "FILE";\n{% endif %}\n'
    proxied.override("reverse_proxy/http.conf.j2", http.replace("FILE", str(file)))
    with_another_module(proxied)
    proxied.bring_up()
    assert proxied.seen(OTHER)[0]
    end_without(proxied, file)
    proxied.engine().boot()
    proxied.start_service()
    proxied.apply()
    proxied.assert_served(*SITES)
    assert proxied.seen(OTHER)[0] == ""
    found = pressing(proxied)
    assert codes(found) == [("chain", proxied.chains("other")[OTHER], "error", "deploy.left_out")]
    assert found[0]["problem"]["where"] == "other"
    proxied.renew()
    proxied.apply()
    proxied.assert_served(*SITES)
    file.write_text("# nothing\n")
    proxied.clock.advance(days=2)
    proxied.apply()
    assert proxied.seen(OTHER)[0]
    assert pressing(proxied) == []


def test_an_administrators_own_mistake_while_nginx_is_down_is_told_as_a_start_would_and_leaves_nothing_out(included):
    included.kill()
    text = included.main_file.read_text()
    included.main_file.write_text(text.replace("access_log off;", "access_log off"))
    included.clock.advance(minutes=16)
    included.apply()
    included.apply()
    found = [each for each in pressing(included) if each["kind"] != "chain"]
    assert codes(found) == [("service", "nginx", "error", "deploy.next_start_fails")]
    problem = found[0]["problem"]
    assert "[emerg] " in problem["cause"]
    assert f"in {included.main_file}:" in problem["cause"]
    included.runner.ran.clear()
    included.apply()
    assert included.runner.count(" -t ") == 1, "it is not searched again"
    assert problem["cause"] in Terminal(included.root).run("explain", "reverse_proxy").stdout
    assert included.refusals() == []
    included.main_file.write_text(text)
    included.start_service()
    included.apply()
    included.assert_served(*SITES)
    assert pressing(included) == []


def test_a_boot_tells_what_nginx_refuses_where_nothing_can_be_left_out(proxied):
    """No look is due after it, and all would be told to be well."""
    file = proxied.root / "shared.inc"
    file.write_text("# nothing\n")
    proxied.override("nginx/http.conf.j2", f'{{% include "default:http.conf.j2" %}}\ninclude "{file}";\n')
    proxied.bring_up()
    end_without(proxied, file)
    assert proxied.engine().boot().performed == ()
    found = told(proxied)
    assert codes(found) == [("service", "nginx", "error", "deploy.next_start_fails")]
    assert f'open() "{file}" failed' in found[0]["problem"]["cause"]
    assert found[0]["problem"]["effect"] == "It does not run, and its start would fail."
    file.write_text("# nothing\n")
    proxied.engine().boot()
    assert told(proxied) == []
