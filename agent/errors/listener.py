"""An observer or a notifier fails in what it is told."""

from __future__ import annotations

from agent.errors.plugin import LIST, PluginError


class ListenerFailed(PluginError):
    """An observer or a notifier did not take an event well. `listener` is called like its table."""

    code = "plugin.listener_failed"
    where = "{listener}{place:? (%)}"
    effect = "Nothing waits for it, and the others are told."
    fix = f"Correct or update its plugin; {LIST} names its distribution."
    listener: str
    kind: str
    place: str = ""
    """File and line of the plugin."""


class ObserverRaised(ListenerFailed):
    """An observer of events raised."""

    code = "plugin.observer_raised"
    cause = 'It failed on the event "{kind}": {error:reason}.'
    effect = "That event is passed over; nothing waits for it, and the others are told."
    detail = "{error:place}"
    error: BaseException | None = None


class NotifierRaised(ListenerFailed):
    """A notifier raised."""

    code = "plugin.notifier_raised"
    cause = 'It could not tell of the event "{kind}": {error:reason}.'
    effect = "Later events wait until it can; nothing else waits for it."
    fix = f"Correct its settings, or what it reaches; {LIST} names its distribution."
    detail = "{error:place}"
    error: BaseException | None = None


class ListenerHung(ListenerFailed):
    """An observer or a notifier did not come to an end with an event."""

    code = "plugin.listener_hung"
    cause = 'It did not come to an end with the event "{kind}" within {seconds:number} s.'
    seconds: float = 0.0


class ListenerDied(ListenerFailed):
    """The process that tells of events ended while this one was told."""

    code = "plugin.listener_died"
    cause = 'The process that told it of the event "{kind}" was ended meanwhile.'
    effect = "It is told of that event again; nothing waits for it."


class EventsSkipped(PluginError):
    """An observer or a notifier was so far behind that it was not told of some events."""

    code = "plugin.events_skipped"
    cause = "It was not told of {count} events: it was too far behind, and they were dropped."
    where = "{listener}"
    effect = "It goes on with the oldest one that is kept."
    fix = f"See why it takes so long, or what failed: {LIST}"
    listener: str
    count: int
