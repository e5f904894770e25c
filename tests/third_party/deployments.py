"""An observer that keeps a list of what was deployed."""

from pathlib import Path

from chainwright import Event, PluginSettings, hookimpl


class Settings(PluginSettings):
    file: str = "/var/log/chainwright/deployed"

    @hookimpl
    def on_event(self, event: Event) -> None:
        if event.kind == "deployed":
            with Path(self.file).open("a") as file:
                file.write(f"{event.at:%c} {event.text}\n")


@hookimpl
def register_settings() -> type[PluginSettings]:
    return Settings
