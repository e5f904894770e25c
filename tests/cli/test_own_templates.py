"""Templates that an administrator makes his own: listed, copied, compared, and told of when what they override has changed."""

from __future__ import annotations

import re
import shutil

import pytest

from support.clients.terminal import Terminal

NAME = "tunnel/toyd.conf.j2"


@pytest.fixture
def up(tunnel) -> Terminal:
    return Terminal(tunnel.root)


def own(tunnel):
    return tunnel.layout.templates / NAME


def built_in(tunnel):
    return tunnel.layout.plugins / "templates/toyd.conf.j2"


def row(up: Terminal, template: str) -> dict[str, object]:
    (found,) = (each for each in up.json("templates", "list")["templates"] if each["template"] == template)
    return found


def findings(up: Terminal) -> list[str]:
    return [
        f"{each['severity']}: {each['problem']['cause']} {each['problem']['fix']}"
        for each in up.json("status")["findings"]
        if each["problem"]["code"].startswith("status.template")
    ]


def test_all_of_what_is_installed_are_listed_with_plugin_and_state(up, tunnel):
    lines = up.run("templates", "list").stdout.splitlines()
    assert re.fullmatch("TEMPLATE +PLUGIN +STATE", lines[0])
    assert [line.split(maxsplit=2) for line in lines if "proxy.conf" in line or NAME in line] == [
        ["nginx/modules/proxy.conf.j2", "nginx", "built-in"],
        [NAME, "tunnel", "built-in"],
    ]
    assert row(up, NAME) == {
        "template": NAME,
        "plugin": "tunnel",
        "state": "built_in",
        "built_in": str(built_in(tunnel)),
        "override": None,
        "since": None,
    }
    assert up.run("templates", "list", "--overridden").stdout == "None is overridden.\n"


def test_a_copy_is_like_the_built_in_one_and_goes_before_it(up, tunnel):
    done = up.run("templates", "copy", "tunnel/toyd.conf")
    assert (done.returncode, done.stderr) == (0, f"Copied to {own(tunnel)}.\nChange it, then: chainwright apply\n")
    assert own(tunnel).read_bytes() == built_in(tunnel).read_bytes()
    assert own(tunnel).stat().st_mode & 0o777 == 0o644
    assert up.run("templates", "diff", NAME).stderr == f"Yours is like the built-in {NAME}.\n"
    own(tunnel).write_text(own(tunnel).read_text() + "# mine\n")
    assert up.run("apply").returncode == 0
    assert (tunnel.live("tunnel") / "toyd.conf").read_text().endswith("# mine\n")
    assert up.run("templates", "diff", NAME).stdout == (
        f"--- built-in {NAME}\n+++ {own(tunnel)}\n@@ -1,2 +1,3 @@\n listen {{{{ module.port }}}}\n"
        " site {{ module.domain }} {{ dir }}/tunnel.pem\n+# mine\n"
    )
    assert up.run("templates", "list", "--overridden").stdout.splitlines()[1].endswith("tunnel  overridden")
    assert findings(up) == []


def test_before_the_first_run_it_is_copied_as_well(appliance):
    appliance.drop_in("tunnel")
    appliance.settings("")
    terminal = Terminal(appliance.root)
    assert terminal.json("templates", "copy", NAME)["override"] == str(own(appliance))
    assert not appliance.layout.database.exists()


def test_one_that_is_there_is_lost_only_by_force(up, tunnel):
    tunnel.override(NAME, "mine\n")
    done = up.run("templates", "copy", NAME)
    assert (done.returncode, done.stderr) == (
        2,
        (
            f"Error: {own(tunnel)}: It overrides {NAME} already; nothing was changed.\n"
            f"See what differs: chainwright templates diff {NAME}; to begin again, and lose it, add --force\n"
        ),
    )
    assert own(tunnel).read_text() == "mine\n"
    assert up.run("templates", "copy", NAME, "--force").returncode == 0
    assert own(tunnel).read_bytes() == built_in(tunnel).read_bytes()


def test_it_is_told_when_the_built_in_one_has_changed_and_what_until_it_is_kept(up, tunnel):
    tunnel.override(NAME, '{% include "default:toyd.conf.j2" %}\n# mine\n')
    assert up.run("apply").returncode == 0
    assert findings(up) == []
    built_in(tunnel).write_text("# a new one\n" + built_in(tunnel).read_text())
    assert up.run("apply").returncode == 0
    (told,) = findings(up)
    assert re.sub(r"since \S+Z", "since THEN", told) == (
        "notice: The built-in template that it overrides has changed since THEN. "
        f"See what has changed: chainwright templates diff {NAME}; once yours fits it: chainwright templates keep {NAME}"
    )
    assert row(up, NAME)["state"] == "behind"
    changed = up.run("templates", "diff", NAME).stdout.splitlines()
    assert re.sub(r"at \S+Z", "at THEN", changed[0]) == f"--- built-in {NAME}, as it was at THEN"
    assert changed[1:5] == [
        f"+++ built-in {NAME}",
        "@@ -1,2 +1,3 @@",
        "+# a new one",
        " listen {{ module.port }}",
    ]
    assert f"+++ {own(tunnel)}" in changed
    done = up.run("templates", "keep", NAME)
    assert done.stderr == f"{own(tunnel)} is taken to fit the built-in one as it is now.\n"
    assert findings(up) == []
    assert row(up, NAME)["state"] == "overridden"
    assert up.run("apply").returncode == 0
    assert findings(up) == []


def test_a_copy_that_is_made_again_is_not_behind(up, tunnel):
    tunnel.override(NAME, built_in(tunnel).read_text())
    up.run("apply")
    built_in(tunnel).write_text("# a new one\n" + built_in(tunnel).read_text())
    up.run("apply")
    assert len(findings(up)) == 1
    assert up.run("templates", "copy", NAME, "--force").returncode == 0
    assert findings(up) == []


def test_one_that_nothing_reads_is_told(up, tunnel):
    tunnel.override("tunnel/toyd.cnf.j2", "mine\n")
    assert up.run("apply").returncode == 0
    assert findings(up) == [
        (
            "notice: It overrides nothing: tunnel has no template toyd.cnf.j2, and none of its templates names it. "
            "See which there are: chainwright templates list; then rename or remove it."
        )
    ]
    assert row(up, "tunnel/toyd.cnf.j2")["state"] == "unread"


def test_one_that_another_names_is_well(up, tunnel):
    tunnel.override("tunnel/more.conf.j2", "# mine\n")
    tunnel.override(NAME, '{% include "default:toyd.conf.j2" %}\n{% include "more.conf.j2" %}')
    assert up.run("apply").returncode == 0
    assert findings(up) == []
    assert row(up, "tunnel/more.conf.j2")["state"] == "added"
    done = up.run("templates", "diff", "tunnel/more.conf.j2")
    assert (done.returncode, done.stderr) == (
        2,
        (
            'Error: There is no built-in template "tunnel/more.conf.j2": yours overrides nothing.\n'
            "See all: chainwright templates list\n"
        ),
    )


def test_one_whose_built_in_is_gone_is_told(up, tunnel):
    shutil.copy(built_in(tunnel), built_in(tunnel).with_name("other.conf.j2"))
    tunnel.override("tunnel/other.conf.j2", "mine\n")
    up.run("apply")
    assert findings(up) == []
    built_in(tunnel).with_name("other.conf.j2").unlink()
    up.run("apply")
    assert findings(up) == [
        (
            "notice: The built-in template that it overrode is gone: nothing of tunnel reads other.conf.j2 any more. "
            "See which there are: chainwright templates list; then rename or remove it."
        )
    ]


def test_what_was_removed_is_forgotten(up, tunnel):
    tunnel.override(NAME, built_in(tunnel).read_text())
    up.run("apply")
    own(tunnel).unlink()
    up.run("apply")
    with tunnel.store() as store:
        assert store.overrides.all() == {}


def test_what_is_not_there_or_not_overridden_is_said(up, tunnel):
    assert up.run("templates", "diff", "toyd.conf").stderr == (
        f'Error: There is no template "toyd.conf". Did you mean "{NAME}"?\nSee all: chainwright templates list\n'
    )
    assert up.run("templates", "copy", "tunel/toyd.conf.j2").stderr == (
        f'Error: There is no template "tunel/toyd.conf.j2". Did you mean "{NAME}"?\nSee all: chainwright templates list\n'
    )
    assert up.run("templates", "diff", "tunel").stderr == (
        'Error: There is no template "tunel". Did you mean "tunnel/entry.conf.j2", "tunnel/site.conf.j2" or '
        '"tunnel/toyd.conf.j2"?\nSee all: chainwright templates list\n'
    )
    assert 'Did you mean "mail/main.cf.j2"?' in up.run("templates", "diff", "mail/man.cf").stderr
    mail = up.run("templates", "diff", "mail").stderr
    assert 'Did you mean "mail/dovecot.conf.j2", "mail/listeners.conf.j2", ' in mail
    assert ' or "mail/postmap.cf.j2"?' in mail
    assert "Did you mean" not in up.run("templates", "diff", "nothing-like-it").stderr
    assert up.run("templates", "keep", NAME).stderr == (
        f"Error: {NAME} isn't overridden: the built-in one is used.\n"
        f"Copy it, to change it: chainwright templates copy {NAME}\n"
    )


def test_a_copy_that_cannot_be_written_says_so(up, tunnel):
    tunnel.layout.templates.write_text("in the way")
    done = up.run("templates", "copy", NAME)
    assert (done.returncode, done.stderr) == (
        2,
        (
            f"Error: {own(tunnel)}: The file can't be written: file exists.\n"
            f"Call it as root, and see whether there is room: df {own(tunnel)}\n"
        ),
    )
