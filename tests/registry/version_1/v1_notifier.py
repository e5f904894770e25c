"""A notifier. Written for version 1.0 of the plugin contract, and never changed."""

from pathlib import Path

from chainwright import Event, EventKind, Notifier, NotifierContext, PathText, hookimpl

api = 1


class Letter(Notifier):
    """Letters in a file."""

    name = "v1_notifier"
    file: PathText

    def wants(self, event: Event) -> bool:
        return event.kind is EventKind.DEPLOYED

    def send(self, event: Event, context: NotifierContext) -> None:
        with Path(self.file).open("a") as letters:
            letters.write(f"{context.host}: {event.text}\n")


@hookimpl
def register_notifiers() -> list[type[Notifier]]:
    return [Letter]
