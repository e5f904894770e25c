"""Findings about the administrator's templates: one whose original has changed, one that nothing reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from agent.errors.problem import Problem, rfc3339
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.override import Override, OverrideBase


def of_overrides(overrides: Iterable[Override], bases: Mapping[str, OverrideBase]) -> Iterator[Finding]:
    """Yield a notice for each template that may be behind its original, or has none. `bases`: by template."""
    for each in overrides:
        base = bases.get(each.template)
        if each.built_in is None and not each.is_named:
            yield _finding(each, unread(each, base))
        elif base is not None and each.built_in is not None and base.text != each.built_in:
            yield _finding(each, behind(each, base))


def _finding(override: Override, problem: Problem) -> Finding:
    title = f"template {override.template}"
    return Finding(SubjectKind.APPLIANCE, str(override.path), Severity.NOTICE, problem, title=title)


def behind(override: Override, base: OverrideBase) -> Problem:
    """Say that a template overrides one that has changed since."""
    return Problem(
        "status.template_behind",
        f"The built-in template that it overrides has changed since {rfc3339(base.since)}.",
        str(override.path),
        f"See what has changed: chainwright templates diff {override.template}; "
        f"once yours fits it: chainwright templates keep {override.template}",
        "Yours is used as it is.",
    )


def unread(override: Override, base: OverrideBase | None) -> Problem:
    """Say that nothing reads a template. `base`: what it overrode once."""
    name, _, file = override.template.partition("/")
    gone = f"The built-in template that it overrode is gone: nothing of {name} reads {file} any more."
    never = f"It overrides nothing: {name} has no template {file}, and none of its templates names it."
    fix = "See which there are: chainwright templates list; then rename or remove it."
    return Problem("status.template_unread", gone if base else never, str(override.path), fix)
