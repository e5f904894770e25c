"""Which key an account at a CA is to have next."""

from agent.operations.account_key import finish_key_change, key_change
from agent.operations.locked_state import locked_state
from agent.pki.account_key import make_account_key, thumbprint
from agent.sources.acme.messages import Account
from agent.sources.acme.source import AcmeSource
from agent.sources.acme.takeover import account_memory
from agent.store.account_keys import Role

EARLIER, LATER = "https://earlier.example/directory", "https://later.example/directory"


def test_an_account_at_a_ca_that_was_not_asked_when_the_key_was_changed_follows_to_the_present_key(appliance):
    first = make_account_key()
    with appliance.store() as store, store.write():
        store.account_keys.add(first, appliance.clock())
        for directory in (EARLIER, LATER):
            store.memories.write("acme", *account_memory(Account(directory, f"{directory}/7", thumbprint(first))))
    with locked_state(appliance.engine(), 1) as state:
        change = key_change(state, AcmeSource(directory=LATER))
        assert change.earlier is None
        known = Account(LATER, f"{LATER}/7", thumbprint(change.new))
        with state.store.write():
            state.store.memories.write("acme", *account_memory(known))
        finish_key_change(state, change)
        back = key_change(state, AcmeSource(directory=EARLIER))
        assert thumbprint(back.earlier) == thumbprint(first)
        assert thumbprint(back.new) == thumbprint(change.new)
        proposed = key_change(state, AcmeSource(directory=LATER))
        finish_key_change(state, back)
        present = state.store.account_keys.load(Role.PRESENT)
        assert thumbprint(present) == thumbprint(change.new)
        assert thumbprint(proposed.new) != thumbprint(change.new)
