"""Settings of a plugin as a whole: the ``[plugins.NAME]`` table."""

from __future__ import annotations

from agent.contract.declaration import AskedTable


class PluginSettings(AskedTable):
    """Settings of a plugin that has no module, or that are no module's: the ``[plugins.NAME]`` table.

    Fields are the operator's settings, secrets too. The instance is itself asked for hooks: methods that are marked with
    ``@hookimpl``, as an observer's `on_event` and the wrappers of a policy, read them as ``self.token``.
    """
