"""The pages of the modules name every setting."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from chainwright import Nginx
from plugins.files import Files
from plugins.files.entry import Entry, PublishedFile, SeenAt
from plugins.ikev2.branch import Branch
from plugins.ikev2.connection import RoadWarrior, User
from plugins.ikev2.module import IKEv2
from plugins.ikev2.service import StrongSwan
from plugins.mail import Dovecot, Mail, Postfix
from plugins.reverse_proxy import ReverseProxy
from plugins.reverse_proxy.site import Site
from plugins.sstp import SSTP, SSTPService
from plugins.web_auth import WebAuth
from plugins.web_auth.appearance import Brand, Texts
from plugins.webui import WebUI
from plugins.webui.service import WebUIService

PAGES = Path(__file__).parents[2] / "docs/modules"
DECLARATIONS = [
    ("files", Files),
    ("files", Entry),
    ("files", PublishedFile),
    ("files", SeenAt),
    ("mail", Mail),
    ("mail", Postfix),
    ("mail", Dovecot),
    ("reverse_proxy", ReverseProxy),
    ("reverse_proxy", Site),
    ("nginx", Nginx),
    ("web_auth", WebAuth),
    ("web_auth", Texts),
    ("web_auth", Brand),
    ("webui", WebUI),
    ("webui", WebUIService),
    ("ikev2", IKEv2),
    ("ikev2", RoadWarrior),
    ("ikev2", Branch),
    ("ikev2", User),
    ("ikev2", StrongSwan),
    ("sstp", SSTP),
    ("sstp", SSTPService),
]


@pytest.mark.parametrize(("page", "declaration"), DECLARATIONS)
def test_a_module_s_page_names_each_setting(page: str, declaration: type[BaseModel]):
    text = (PAGES / f"{page}.md").read_text()
    assert [name for name in declaration.model_fields if f"`{name}`" not in text] == []


def test_the_page_of_nginx_shows_somebody_else_s_module_as_it_is_tested():
    place = PAGES.parents[1] / "tests/third_party/status_page"
    page = (PAGES / "nginx.md").read_text()
    shown = {
        place / "status_page.py": re.findall(r"```python\n(.*?)```", page, re.DOTALL),
        place / "templates/http.conf.j2": re.findall(r"```\n(include .*?)```", page, re.DOTALL),
        place / "templates/server.conf.j2": re.findall(r"```\n(server .*?)```", page, re.DOTALL),
    }
    for path, blocks in shown.items():
        assert len(blocks) == 1
        assert blocks[0] in path.read_text()
