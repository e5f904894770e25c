"""The table of routes: what there is, and who may use it."""

from __future__ import annotations

from agent.api import chains, changes, histories, jobs, openapi, roots, sessions, statuses, tokens, uploads, users

ROUTES = (
    *sessions.ROUTES,
    *tokens.ROUTES,
    *users.ROUTES,
    *statuses.ROUTES,
    *chains.ROUTES,
    *changes.ROUTES,
    *uploads.ROUTES,
    *roots.ROUTES,
    *jobs.ROUTES,
    *histories.ROUTES,
    *openapi.ROUTES,
)
