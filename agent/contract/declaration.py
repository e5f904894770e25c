"""`Declaration`: what `Module` and `Service` have in common: settings of the operator, and answers to hooks."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, PrivateAttr


class AskedTable(BaseModel):
    """Table of the settings that is itself asked for hooks."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
    # pluggy keeps its plugins in sets and compares them: an instance is itself, with the same settings too.
    __eq__ = object.__eq__

    def __hash__(self) -> int:
        # A method of its own: object's would be taken for "none" and replaced by one that hashes every setting.
        return object.__hash__(self)


class Declaration(AskedTable):
    """Declaration of a plugin: the class says what it is, an instance is one table of the settings."""

    name: ClassVar[str] = ""
    """Of the plugin; also of the instance unless ``plugin = "..."`` names it."""
    title: ClassVar[str] = ""
    """For people; default: the first line of the docstring."""

    _instance: str = PrivateAttr("")

    @property
    def instance(self) -> str:
        """Name of the operator's table, ``[modules.NAME]`` or ``[services.NAME]``."""
        return self._instance or self.name

    def named(self, instance: str) -> None:
        """Take over the name of the operator's table. For the core, before anything is asked."""
        self._instance = instance

    @classmethod
    def heading(cls) -> str:
        """Return the title for people."""
        return cls.title or (cls.__doc__ or cls.name).strip().splitlines()[0].rstrip(".")
