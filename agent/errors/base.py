"""The base of the tree: an error is a class with its sentences as templates, and the fields that fill them."""

from __future__ import annotations

from functools import cache
from inspect import Parameter, Signature, get_annotations
from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

from agent.errors.problem import Problem
from agent.errors.wording import escaped, filled

if TYPE_CHECKING:
    from datetime import datetime

_WORDS = ("cause", "where", "fix", "effect", "detail")


@dataclass_transform(eq_default=False)
class AgentError(Exception):
    """An expected error: shown in two lines, without a traceback.

    `cause`, `where`, `fix`, `effect` and `detail` of a class are templates of `agent.errors.wording`. Its annotated attributes
    are its fields: parameters of the constructor, in that order, and values for the templates. A field that is called like a
    template is used as it is. A class without fields is made from its sentences: ``SourceError(cause, where=..., fix=...)``.
    """

    code: ClassVar[str] = "agent"
    cause: str = ""
    """One sentence that ends with a full stop."""
    where: str = ""
    """Module, file, table, endpoint or step."""
    fix: str = ""
    """The next step: a command or a setting."""
    effect: str = ""
    """What is served meanwhile."""
    retry_at: datetime | None = None
    """When it is tried again by itself; None: not before something changes."""
    detail: str = ""
    """Raw output of a service or a library, folded."""

    _fields: ClassVar[dict[str, Parameter]] = {
        "cause": Parameter("cause", Parameter.POSITIONAL_OR_KEYWORD, default=""),
        **{name: Parameter(name, Parameter.KEYWORD_ONLY, default="") for name in _WORDS[1:]},
        "retry_at": Parameter("retry_at", Parameter.KEYWORD_ONLY, default=None),
    }
    """Parameters of the constructor."""

    if TYPE_CHECKING:

        def __init__(
            self,
            cause: str = "",
            *,
            where: str = "",
            fix: str = "",
            effect: str = "",
            retry_at: datetime | None = None,
            detail: str = "",
        ) -> None: ...

    else:

        def __init__(self, *args: Any, **named: Any) -> None:
            given = _signature(type(self)).bind(*args, **named)
            super().__init__(*given.args)
            vars(self).update(given.arguments)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = [name for name, kind in get_annotations(cls).items() if "ClassVar" not in str(kind)]
        if own and "__init__" not in vars(cls):
            inherited = {} if cls._fields is AgentError._fields else cls._fields
            cls._fields = {**inherited, **{name: _parameter(cls, name) for name in own}}

    def __str__(self) -> str:
        return "\n".join(self.problem.lines())

    @property
    def problem(self) -> Problem:
        """The sentences with their values."""
        return Problem(self.code, **{name: self._word(name) for name in _WORDS}, retry_at=self.retry_at)

    def _word(self, name: str) -> str:
        """Return what the instance was given, or what its class says, fit for a terminal and a log: it may quote anybody.

        The detail has several lines, and is made fit where it is shown.
        """
        text = vars(self)[name] if name in vars(self) else filled(getattr(self, name), self)
        return text if name == "detail" else "\n".join(map(escaped, text.split("\n")))


def _parameter(cls: type[AgentError], name: str) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=vars(cls).get(name, Parameter.empty))


@cache
def _signature(cls: type[AgentError]) -> Signature:
    return Signature([*cls._fields.values()])
