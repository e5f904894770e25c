"""What nginx refuses is left out and named; what was served is still served, and new chains go on."""

import re
from pathlib import Path

import pytest

from agent.model.deployment import Outcome, RefusedKind
from support.appliances.proxied import LOOKED_UP_BY_NGINX, SITES, Proxied
from support.hosts import resolving

# Templates that nginx or Jinja refuses


def whole_message(box: Proxied) -> str:
    """Return what an administrator reads of the module's problem, without the directory."""
    problem = box.deployment("reverse_proxy").problem
    assert problem is not None
    return "\n".join(problem.lines()).replace(str(box.root), "ROOT")


def assert_refused(box: Proxied, message: str, before: dict[str, str]) -> None:
    assert box.deployment("reverse_proxy").outcome is Outcome.REFUSED
    assert whole_message(box) == message
    assert "SIGHUP" not in " ".join(map(str, box.runner.ran))
    assert box.chains() == before
    box.assert_served(*SITES)


BY_NGINX = (
    "nginx refused the new configuration: [emerg] {reason} in ROOT/var/lib/chainwright/{place}.\n"
    "What is in service was not changed. The refused files are in ROOT/var/lib/chainwright/{kept}/refused until the next try. "
    "Correct the setting or template that it names, then: chainwright apply"
)
BY_JINJA = (
    "ROOT/etc/chainwright/templates/{name}, line {line}: The template can't be rendered: {reason}.\n"
    "What is in service was not changed. Correct or remove the template, then: chainwright apply"
)
WRONG = '{{% include "default:{name}" %}}\nwrong on purpose;\n'


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("reverse_proxy/site.conf.j2", "modules/reverse_proxy/2/sites/a.example.test.conf:{lines}"),
        ("reverse_proxy/http.conf.j2", "modules/reverse_proxy/2/http.conf:{lines}"),
        ("nginx/nginx.conf.j2", "services/nginx/2/nginx.conf:{lines}"),
        ("nginx/http.conf.j2", "services/nginx/2/http.conf:{lines}"),
    ],
)
def test_a_template_that_nginx_refuses_changes_nothing_and_the_error_says_what_nginx_said(serving, name, place):
    before = serving.chains()
    live = serving.layout.state / re.sub(r"/\d/", "/live/", place.partition(":")[0])
    lines = len(live.read_text().splitlines()) + 1
    override = serving.override(name, WRONG.format(name=name.split("/")[1]))
    serving.apply()
    reason, kept = 'unknown directive "wrong"', place.partition("/2/")[0]
    assert_refused(serving, BY_NGINX.format(reason=reason, place=place.format(lines=lines), kept=kept), before)
    refused = serving.layout.state / kept / "refused"
    assert (serving.layout.state / place.partition(":")[0]).read_text().splitlines()[-1] == "wrong on purpose;"
    assert (refused.readlink(), refused.stat().st_mode & 0o077) == (Path("2"), 0)
    override.write_text(f'{{% include "default:{name.split("/")[1]}" %}}\n# mended\n')
    serving.apply()
    assert list(serving.layout.state.glob("*/*/refused")) == []
    assert sorted(path.name for path in refused.parent.glob("[0-9]*")) == [
        "1",
        str((refused.parent / "live").readlink()),
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "name", ["reverse_proxy/site.conf.j2", "reverse_proxy/http.conf.j2", "nginx/nginx.conf.j2", "nginx/http.conf.j2"]
)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n{% if %}\n", "Expected an expression, got 'end of statement block'"),
        ("\n{{ nothing }}\n", "'nothing' is undefined"),
    ],
)
def test_a_template_that_can_not_be_rendered_changes_nothing(serving, name, text, reason):
    before = serving.chains()
    serving.override(name, text)
    serving.apply()
    assert_refused(serving, BY_JINJA.format(name=name, line=2, reason=reason), before)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["reverse_proxy/site.conf.j2", "reverse_proxy/http.conf.j2", "nginx/nginx.conf.j2"])
@pytest.mark.parametrize("text", ["wrong on purpose;\n", "{% if %}"])
def test_new_chains_go_on_while_a_template_is_refused_and_its_correction_is_taken_at_once(serving, name, text):
    override = serving.override(name, text)
    serving.apply()
    before = serving.chains()
    serving.renew()
    serving.apply()
    assert set(before.values()).isdisjoint(serving.chains().values())
    serving.assert_served(*SITES)
    assert serving.refusals()
    override.write_text(f'{{% include "default:{name.split("/")[1]}" %}}\n# mended\n')
    serving.apply()
    assert serving.refusals() == []
    assert serving.deployment("reverse_proxy").problem is None
    serving.assert_served(*SITES)
    assert "# mended" in "".join(path.read_text() for path in serving.layout.state.glob("*/*/live/**/*.conf"))


# Upstreams of an operator's template that nginx looks up itself, and that don't resolve

NOWHERE = "http://nowhere.invalid"


@pytest.fixture
def serving_by_template(serving: Proxied) -> Proxied:
    serving.override("reverse_proxy/site.conf.j2", LOOKED_UP_BY_NGINX)
    return serving


def test_an_upstream_that_does_not_resolve_stops_no_new_chain_its_own_included(serving_by_template):
    serving = serving_by_template
    serving.configure(upstreams={SITES[1]: NOWHERE})
    serving.apply()
    assert [(each.slot, each.kind) for each in serving.refusals()] == [(SITES[1], RefusedKind.CONFIGURATION)]
    before = serving.chains()
    serving.renew()
    serving.apply()
    assert set(before.values()).isdisjoint(serving.chains().values())
    serving.assert_served(*SITES)
    assert 'host not found in upstream "nowhere.invalid"' in serving.refusals()[0].problem.cause
    live = (serving.live("reverse_proxy") / "sites" / f"{SITES[1]}.conf").read_text()
    assert f"server {serving.upstream.removeprefix('http://')};" in live


def test_its_renewal_in_the_same_pass_as_the_mistake_is_served_too(serving_by_template):
    serving = serving_by_template
    serving.configure(upstreams={SITES[1]: NOWHERE})
    serving.renew()
    serving.apply()
    serving.assert_served(*SITES)
    assert [each.slot for each in serving.refusals()] == [SITES[1]]


def test_a_new_site_with_an_upstream_that_does_not_resolve_is_left_out_until_the_setting_is_mended(serving_by_template):
    serving = serving_by_template
    serving.configure(sites=(*SITES, "d.example.test"), upstreams={"d.example.test": NOWHERE})
    serving.apply()
    serving.assert_served(*SITES)
    assert serving.seen("d.example.test") == ("", "0 (ok)")
    assert not (serving.live("reverse_proxy") / "sites" / "d.example.test.conf").exists()
    serving.renew()
    serving.apply()
    serving.assert_served(*SITES)
    serving.configure(upstreams={})
    serving.apply()
    serving.assert_served(*SITES, "d.example.test")
    assert serving.refusals() == []


@pytest.mark.root
def test_it_is_taken_in_by_itself_once_its_name_resolves(serving_by_template):
    serving = serving_by_template
    name = f"chainwright-{serving.port}.invalid"
    serving.configure(sites=(*SITES, "d.example.test"), upstreams={"d.example.test": f"http://{name}"})
    serving.apply()
    assert [each.slot for each in serving.refusals()] == ["d.example.test"]
    serving.clock.advance(minutes=2)
    with resolving(name):
        serving.apply()
    serving.assert_served(*SITES, "d.example.test")
    assert serving.refusals() == []
