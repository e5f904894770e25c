"""Settings of a plugin as a whole: the ``[plugins.NAME]`` table."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PluginSettings(BaseModel):
    """Settings of a plugin that has no module, or that are no module's: the ``[plugins.NAME]`` table.

    Fields are the operator's settings, secrets too. The instance is itself asked for hooks: methods that are marked with
    ``@hookimpl``, as an observer's `on_event` and the wrappers of a policy, read them as ``self.token``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
    # pluggy keeps its plugins in sets and compares them: an instance is itself, with the same settings too.
    __eq__ = object.__eq__

    def __hash__(self) -> int:
        # A method of its own: object's would be taken for "none" and replaced by one that hashes every setting.
        return object.__hash__(self)
