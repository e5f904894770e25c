"""Table of all routes."""

from __future__ import annotations

from agent.api import (
    chains,
    changes,
    clock,
    consequences,
    events,
    jobs,
    openapi,
    peers,
    pins,
    root_steps,
    roots,
    sessions,
    status,
    tokens,
    uploads,
    users,
)

_ROUTES = (
    *sessions.ROUTES,
    *tokens.ROUTES,
    *users.ROUTES,
    *status.ROUTES,
    *chains.ROUTES,
    *changes.ROUTES,
    *clock.ROUTES,
    *consequences.ROUTES,
    *uploads.ROUTES,
    *roots.ROUTES,
    *root_steps.ROUTES,
    *peers.ROUTES,
    *pins.ROUTES,
    *jobs.ROUTES,
    *events.ROUTES,
)
ROUTES = (*_ROUTES, openapi.document_route(_ROUTES))
