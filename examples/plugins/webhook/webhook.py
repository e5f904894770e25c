"""A webhook: each event is posted as JSON, with an HMAC (RFC 2104) by which the receiver knows the sender."""

import hmac
import json
from urllib.request import Request, urlopen

from chainwright import Event, EventKind, Notifier, NotifierContext, Secret, Url, hookimpl

api = 1


class Webhook(Notifier):
    """A web server that is told of events."""

    name = "webhook"
    url: Url
    key: Secret
    kinds: tuple[EventKind, ...] = (EventKind.REFUSED, EventKind.ROLLED_BACK, EventKind.BROKEN, EventKind.ORDER_FAILED)

    def wants(self, event: Event) -> bool:
        return event.kind in self.kinds

    def send(self, event: Event, context: NotifierContext) -> None:
        body = json.dumps({"host": context.host, **event.to_json()}).encode()
        signature = hmac.new(self.key.reveal().encode(), body, "sha256").hexdigest()
        headers = {"Content-Type": "application/json", "X-Signature-256": f"sha256={signature}"}
        # An answer from 400 on is raised, and the event is sent again. A redirection is followed without the body.
        with urlopen(Request(str(self.url), body, headers), timeout=self.seconds / 2) as answer:
            if answer.url != str(self.url):
                raise OSError(f"it is at another address, {answer.url}")


@hookimpl
def register_notifiers() -> list[type[Notifier]]:
    return [Webhook]
