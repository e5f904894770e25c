"""What a main file includes is found in its text, through wildcards and other files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.system.inclusion import MOST_FILES, includes
from plugins.mail.dovecot import Dovecot
from plugins.nginx.service import Nginx

NGINX, DOVECOT = Nginx.include_directive, Dovecot.include_directive


def asked(root: Path, directive: re.Pattern[str], main: str, more: str = "", *, below_main: bool = True) -> bool:
    for name, text in (("main.conf", main), ("more/first.conf", more), ("d/ours.conf", "")):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return includes(root / "main.conf", root / "d/ours.conf", directive, root if below_main else None)


@pytest.mark.parametrize(
    "main",
    [
        "http {{ include {root}/d/ours.conf; }}",
        "http {{\n  include {root}/d/*.conf;\n}}",
        "include d/ours.conf;",
        'http {{ access_log off; include "d/ours.conf"; }}',
        "include '{root}/d/*';",
        "include more/*.conf;",
    ],
)
def test_what_nginx_includes(tmp_path: Path, main: str):
    assert asked(tmp_path, NGINX, main.format(root=tmp_path), more="include d/ours.conf;")


@pytest.mark.parametrize(
    "main", ["", "# include d/ours.conf;", "include d/*.con;", "include other/ours.conf;", "included d/ours.conf;"]
)
def test_what_nginx_does_not_include(tmp_path: Path, main: str):
    assert not asked(tmp_path, NGINX, main)


@pytest.mark.parametrize(
    ("main", "more", "found"),
    [
        ("!include d/*.conf", "", True),
        ("  !include_try d/ours.conf", "", True),
        ("!include more/first.conf", "!include ../d/ours.conf", True),
        ("!include more/first.conf", "!include d/ours.conf", False),
        ("#!include d/ours.conf", "", False),
    ],
)
def test_dovecot_takes_a_relative_path_as_below_the_file_that_names_it(
    tmp_path: Path, main: str, more: str, found: bool
):
    assert asked(tmp_path, DOVECOT, main, more, below_main=False) is found


def test_a_file_that_is_the_same_by_another_name_is_included(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "d")
    assert asked(tmp_path, NGINX, "include link/ours.conf;")


def test_files_that_include_one_another_come_to_an_end(tmp_path: Path):
    assert not asked(tmp_path, NGINX, "include more/first.conf;", "include main.conf;")


def test_what_can_t_be_read_is_said_to_be_unknown(tmp_path: Path):
    with pytest.raises(OSError, match="No such file"):
        includes(tmp_path / "main.conf", tmp_path / "ours.conf", NGINX)


def test_so_many_files_are_not_read(tmp_path: Path):
    (tmp_path / "many").mkdir()
    for number in range(MOST_FILES + 1):
        (tmp_path / f"many/{number}.conf").touch()
    with pytest.raises(OSError, match="too many files"):
        asked(tmp_path, NGINX, "include many/*.conf;")
