"""A demo that an ordinary user has begun, and root goes on with."""

import os

import pytest

from agent.demo.ownership import take_over
from agent.system.layout import Layout

NOBODY = 65534
NGINX = "[modules.reverse_proxy]\n\n[services.nginx]\nworker_processes = 1\n"
PORTAL = '[modules.web_auth]\ncaptive = true\n\n[modules.web_auth.brand]\norganization = "x"\n'

pytestmark = pytest.mark.root


@pytest.fixture
def layout(tmp_path):
    """The state of somebody else, with a link to a file that is not of it."""
    layout = Layout(tmp_path / "var")
    layout.conf_d.mkdir(parents=True)
    (layout.conf_d / "reverse_proxy.toml").write_text(NGINX)
    (layout.conf_d / "web_auth.toml").write_text(PORTAL)
    (tmp_path / "outside").write_text("")
    (layout.root / "link").symlink_to(tmp_path / "outside")
    for place in (*layout.root.rglob("*"), layout.root, tmp_path / "outside"):
        os.chown(place, NOBODY, NOBODY, follow_symlinks=False)
    return layout


def test_everything_of_it_is_root_s_and_nothing_else(layout):
    assert take_over(layout, 0) == "The state was nobody's; it is root's now, so only root can run the demo on it."
    assert {each.lstat().st_uid for each in (layout.root, *layout.root.rglob("*"))} == {0}
    assert (layout.root / "link").stat().st_uid == NOBODY
    assert take_over(layout, 0) == ""


def test_settings_get_what_root_would_have_written(layout):
    take_over(layout, 0)
    user = 'user = "root" # of the workers: the user who runs the demo\n'
    assert (layout.conf_d / "reverse_proxy.toml").read_text() == NGINX.replace("worker", user + "worker")
    group = 'workers_group = "root" # as conf.d/reverse_proxy.toml says of the workers\n'
    assert (layout.conf_d / "web_auth.toml").read_text() == PORTAL.replace(
        "\n[modules.web_auth.b", group + "\n[modules.web_auth.b"
    )


def test_a_line_that_is_there_stays(layout):
    (layout.conf_d / "reverse_proxy.toml").write_text(text := NGINX + 'user = "www-data"\n')
    take_over(layout, 0)
    assert (layout.conf_d / "reverse_proxy.toml").read_text() == text


def test_an_ordinary_user_takes_over_nothing(layout, tmp_path):
    assert take_over(layout, NOBODY) == take_over(Layout(tmp_path / "none"), 0) == ""
    assert layout.root.stat().st_uid == NOBODY
