"""The clients whose directories can be read."""

from __future__ import annotations

from agent.operations.lineages.acme_sh import ACME_SH
from agent.operations.lineages.caddy import CADDY
from agent.operations.lineages.certbot import CERTBOT
from agent.operations.lineages.dehydrated import DEHYDRATED
from agent.operations.lineages.lego import LEGO

CLIENTS = {each.name: each for each in (ACME_SH, CADDY, CERTBOT, DEHYDRATED, LEGO)}
