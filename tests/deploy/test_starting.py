"""Services that the agent starts."""

from agent.system.command import Command
from support.appliances.proxied import OWN, Proxied


def test_what_the_agent_starts_stays_after_it_and_nothing_else_does():
    with Proxied.make(service={**OWN, "start": True}) as box:
        box.configure()
        box.apply()
        box.assert_live()
        staying = [action for action in box.runner.ran if isinstance(action, Command) and action.stays]
        assert [command.shown for command in staying] == ["plugins.nginx.start_nginx"]
