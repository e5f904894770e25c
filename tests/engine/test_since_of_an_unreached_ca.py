"""A CA that can't be reached has been so since the first try, however often a person has it tried again."""

from agent.operations.reissue import retry_failed
from support.ports import free_port


def test_trying_again_does_not_begin_it_again(appliance):
    appliance.drop_in("tunnel")
    ca, port = free_port(), free_port()
    appliance.settings(
        'hostname = "gw"\nsources = ["acme", "local"]\n'
        f'[acme]\ndirectory = "https://127.0.0.1:{ca}/dir"\nagree_terms = true\npreflight = false\n'
        f'[modules.tunnel]\nport = {port}\ndomain = "t.example.com"\n'
    )
    appliance.apply(timeout=30)
    [first] = sources(appliance)
    assert first.problem.cause.startswith(f"127.0.0.1:{ca} can't be reached: ")
    appliance.clock.advance(minutes=3)
    appliance.change(retry_failed)
    appliance.apply(timeout=30)
    [again] = sources(appliance)
    assert again.since == first.since
    assert again.problem.retry_at != first.problem.retry_at


def sources(appliance):
    """Return what is told of CAs."""
    with appliance.store() as store:
        return store.conditions.of("sources")
