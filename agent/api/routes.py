"""The table of routes: what there is, and who may use it."""

from __future__ import annotations

from agent.api import (
    chains,
    changes,
    effects,
    histories,
    jobs,
    openapi,
    roots,
    sessions,
    signed,
    statuses,
    tokens,
    uploads,
    users,
)

ROUTES = (
    *sessions.ROUTES,
    *tokens.ROUTES,
    *users.ROUTES,
    *statuses.ROUTES,
    *chains.ROUTES,
    *changes.ROUTES,
    *effects.ROUTES,
    *uploads.ROUTES,
    *roots.ROUTES,
    *signed.ROUTES,
    *jobs.ROUTES,
    *histories.ROUTES,
    *openapi.ROUTES,
)
