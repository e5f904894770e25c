"""The pages of the modules and of the DNS solvers name every setting."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from chainwright import Module, Nginx
from plugins.acme_dns.solver import AcmeDns, Registration
from plugins.dns_command.solver import CommandSolver
from plugins.files import Files
from plugins.files.entry import Entry, PublishedFile, SeenAt
from plugins.ikev2.branch import Branch
from plugins.ikev2.connection import RoadWarrior, User
from plugins.ikev2.module import IKEv2
from plugins.ikev2.service import StrongSwan
from plugins.lexicon.solver import LexiconSolver
from plugins.mail.dovecot import Dovecot
from plugins.mail.module import Mail
from plugins.mail.postfix import Postfix
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
    """All that it has; `start` only where the plugin can start a service: elsewhere it is refused."""
    text = (PAGES / f"{page}.md").read_text()
    refused = {"start"} if getattr(declaration, "start_command", None) is Module.start_command else set()
    assert [name for name in declaration.model_fields if f"`{name}`" not in text and name not in refused] == []


@pytest.mark.parametrize(
    ("page", "solver"),
    [("acme_dns", AcmeDns), ("acme_dns", Registration), ("command", CommandSolver), ("lexicon", LexiconSolver)],
)
def test_a_solver_s_page_names_each_setting(page: str, solver: type[BaseModel]):
    text = (PAGES.parent / "dns" / f"{page}.md").read_text()
    assert [name for name in solver.model_fields if f"`{name}`" not in text] == []
