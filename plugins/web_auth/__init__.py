"""The captive portal's login page: a name of its own, the RFC 8908 API, and plain HTTP sent to both."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PositiveInt, StrictBool

from chainwright import (
    Backend,
    ChainFile,
    Command,
    Context,
    Endpoint,
    Host,
    HostFacts,
    Module,
    Need,
    Nginx,
    NginxModule,
    Part,
    Template,
    Text,
    Url,
    Word,
    hookimpl,
    is_address,
)
from plugins.web_auth.appearance import Brand, Texts

API = "/captive-portal/api"
"""Path of the captive-portal API; its address is what DHCP announces (RFC 8910)."""
PAGES = ("index", "failed", "done", "unavailable")


def _no_address(text: str) -> str:
    if is_address(text):
        raise ValueError("must be a host name: no CA certifies the address of a portal")
    return text


class WebAuth(NginxModule):
    """Web authorization."""

    name: ClassVar[str] = "web_auth"
    title: ClassVar[str] = "Web authorization"
    files: ClassVar[tuple[ChainFile | Template | Text, ...]] = (
        ChainFile(path="fullchain.pem", parts=(Part.FULLCHAIN,)),
        ChainFile(path="key.pem", parts=(Part.KEY,)),
        *NginxModule.files,
        Template(path="headers.conf"),
        Template(path="portal.conf", slot="default"),
        *(Template(path=f"page/{page}.html", template="page.html.j2", values={"page": page}) for page in PAGES),
        Template(path="page/style.css"),
        Template(path="page/captive.json"),
    )

    domain: Annotated[Host, AfterValidator(_no_address)] = Field(description="name of the login page")
    upstream: Backend = Field(description="the server that is sent the forms, for example http://127.0.0.1:8000")
    captive: StrictBool | Literal["upstream"] = Field(
        "upstream",
        description='what the API says: "upstream" asks the server for each client, true or false is said to all of them',
    )
    can_extend_session: StrictBool = Field(
        False,
        description="whether the page lets a client that is online stay longer; said with captive = true or false",
    )
    venue_info: Url | None = Field(None, description="page about the place; said with captive = true or false")
    posts_per_minute: PositiveInt = Field(30, description="forms that one address may send; further ones are refused")
    max_body_kb: PositiveInt = Field(16, le=1024, description="largest form in kB")
    timeout: PositiveInt = Field(15, description="seconds without a byte from the upstream")
    workers_group: Word = Field("www-data", description="group of nginx's workers, which read the page")
    texts: Texts = Field(Texts(), description="what the page says")
    brand: Brand = Field(Brand(), description="what the page looks like")

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for one chain for the page's name."""
        return [self.need(self.domain)]

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Fetch the page: a worker that may not read it is no use behind the best handshake."""
        from plugins.web_auth.probe import PageProbe

        return [self.endpoint(context, self.domain, probe=PageProbe(group=self.workers_group))]

    def prepare_command(self, context: Context) -> Iterable[Command]:
        """Compare the workers' user with the group of the page, where they aren't of one name."""
        user = context.service(Nginx).workers_user
        if context.chains and user not in {None, "root", self.workers_group}:
            yield Command((sys.executable, "-P", "-m", "plugins.web_auth.check_group", user, self.workers_group))

    def server_names(self) -> Iterable[str]:
        """Return the page's name."""
        return [self.domain]

    @property
    def answers_every_name(self) -> bool:
        """Whether plain HTTP is answered for every name: each client is sent to the page."""
        return True

    @property
    def file_group(self) -> str:
        """The workers get at the page by their group; keys stay root's."""
        return self.workers_group

    @property
    def origin(self) -> str:
        """Scheme, name and port (RFC 6454) as a browser writes them."""
        port = self.listen[0].port
        return f"https://{self.domain}" if port == 443 else f"https://{self.domain}:{port}"

    @property
    def api(self) -> str:
        """Path of the captive-portal API."""
        return API

    @property
    def upstream_api(self) -> str:
        """Where the API's answers come from."""
        return f"{str(self.upstream).removesuffix('/')}{API}"


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return web authorization."""
    return [WebAuth]
