import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.errors.http01 import AnsweredByAnother, PortForbidden, PortUnusable, TokenMalformed, WebrootUnwritable

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
WEBROOT = Path("/var/lib/chainwright/http-01")
SHOP = "shop.example.com"
FOUR = (SHOP, "www.example.com", "api.example.com", "img.example.com")
OR = "or leave port 80 to the agent or its reverse proxy, then: chainwright renew"
NGINX_LINE = 'location ^~ /.well-known/acme-challenge/ { alias "/var/lib/chainwright/http-01/"; }'


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def answered(clause: str, **options) -> AnsweredByAnother:
    return AnsweredByAnother({SHOP: clause}, 80, WEBROOT, AT, **options)


EXAMPLES: list[tuple[AgentError, str]] = [
    (
        answered("nginx/1.22.1 at 127.0.0.1:80 says 404 Not Found", server="nginx/1.22.1"),
        (
            "acme: Port 80 of this machine does not answer a CA's challenge for shop.example.com: "
            "nginx/1.22.1 at 127.0.0.1:80 says 404 Not Found.\n"
            f"Write {NGINX_LINE} into its server block, {OR}"
        ),
    ),
    (
        answered(
            'nginx at 127.0.0.1:80 redirects to "https://shop.example.com:8443/"', server="nginx", redirected=True
        ),
        (
            "acme: Port 80 of this machine does not answer a CA's challenge for shop.example.com: "
            'nginx at 127.0.0.1:80 redirects to "https://shop.example.com:8443/".\n'
            f"Write {NGINX_LINE} into its server block "
            f"(and its redirect into location / {{ }}, since a server block's own return comes first), {OR}"
        ),
    ),
    (
        answered("Apache/2.4.71 at 127.0.0.1:80 says 404 Not Found", server="Apache/2.4.71 (Debian)"),
        (
            "acme: Port 80 of this machine does not answer a CA's challenge for shop.example.com: "
            "Apache/2.4.71 at 127.0.0.1:80 says 404 Not Found.\n"
            'Write Alias /.well-known/acme-challenge/ "/var/lib/chainwright/http-01/" into its configuration, '
            f"with Require all granted for that directory, {OR}"
        ),
    ),
    (
        answered("Apache at 127.0.0.1:80 says 404 Not Found", server="Apache", redirected=True),
        (
            "acme: Port 80 of this machine does not answer a CA's challenge for shop.example.com: "
            "Apache at 127.0.0.1:80 says 404 Not Found.\n"
            'Write Alias /.well-known/acme-challenge/ "/var/lib/chainwright/http-01/" into its configuration, '
            "with Require all granted for that directory "
            rf"(and keep its redirect away: RedirectMatch ^/(?!\.well-known/acme-challenge/)), {OR}"
        ),
    ),
    (
        AnsweredByAnother(dict.fromkeys(FOUR, "127.0.0.1:80: what answers is not HTTP"), 80, WEBROOT, AT),
        (
            "acme: Port 80 of this machine does not answer a CA's challenge for shop.example.com, www.example.com, "
            "api.example.com and 1 more: 127.0.0.1:80: what answers is not HTTP.\n"
            f"Let it serve the files of /var/lib/chainwright/http-01 at /.well-known/acme-challenge/, {OR}"
        ),
    ),
    (
        PortForbidden([SHOP], 80, AT),
        (
            "acme: Nobody listens at port 80 of this machine, and the agent has no right to do it itself.\n"
            "Run it as root or with CAP_NET_BIND_SERVICE, or let the reverse proxy listen there, then: chainwright renew"
        ),
    ),
    (
        PortUnusable([SHOP], 80, os_error(errno.EADDRINUSE), AT),
        (
            "acme: Nobody answers at port 80 of this machine, but it can't be opened: somebody holds it.\n"
            "Look who it is (ss -ltnp sport = :80), and end that or let it answer, then: chainwright renew"
        ),
    ),
    (
        PortUnusable([SHOP], 80, os_error(errno.EMFILE), AT),
        (
            "acme: Nobody answers at port 80 of this machine, but it can't be opened: too many open files.\n"
            "Mend that, or let the reverse proxy listen there, then: chainwright renew"
        ),
    ),
    (
        WebrootUnwritable([SHOP], WEBROOT, os_error(errno.ENOSPC), AT),
        (
            "acme: The answer to a CA's challenge for shop.example.com can't be written into "
            "/var/lib/chainwright/http-01: no space left on device.\n"
            "Make room, or let the agent write there, then: chainwright renew"
        ),
    ),
    (
        TokenMalformed(SHOP, "../../etc/passwd", AT),
        (
            'acme: The CA\'s challenge for shop.example.com has a token that no CA may give: "../../etc/passwd".\n'
            "Report it to the CA's operator, or set directory in [acme] to another CA."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda error: error.code)
def test_it_says_which_names_it_is_about_and_when_it_is_tried_again(error):
    assert SHOP in error.failed
    assert not error.passed
    assert not error.counts
    assert error.retry_at == AT


def test_what_was_seen_of_each_name_is_kept():
    error = AnsweredByAnother({SHOP: "one thing", "www.example.com": "another"}, 80, WEBROOT, AT)
    assert error.problem.detail == "shop.example.com: one thing\nwww.example.com: another"
