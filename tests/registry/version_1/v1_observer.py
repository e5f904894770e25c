"""An observer with settings of its own. Written for version 1.0 of the plugin contract, and never changed."""

from pathlib import Path

from chainwright import Event, PathText, PluginSettings, hookimpl

api = 1


class Diary(PluginSettings):
    """Where events are written down."""

    file: PathText

    @hookimpl
    def on_event(self, event: Event) -> None:
        with Path(self.file).open("a") as diary:
            diary.write(f"{event.kind} {event.text}\n")


@hookimpl
def register_settings() -> type[PluginSettings]:
    return Diary
