"""Which key an account at a CA is to have next."""

from agent.operations.account_key import finish_key_change, key_changes
from agent.operations.locked_state import locked_state
from agent.pki.account_key import make_account_key, thumbprint
from agent.registry.sources import SourceHandle
from agent.sources.acme.messages import Account
from agent.sources.acme.source import AcmeSource
from agent.sources.acme.takeover import account_memory
from agent.store.account_keys import Role

EARLIER, LATER = "https://earlier.example/directory", "https://later.example/directory"


def change_at(state, directory: str, **more):
    (change,) = key_changes(state, [SourceHandle(AcmeSource(directory=directory, **more))]).values()
    return change


def test_an_account_at_a_ca_that_was_not_asked_when_the_key_was_changed_follows_to_the_present_key(appliance):
    first = make_account_key()
    with appliance.store() as store, store.write():
        store.account_keys.add(first, appliance.clock())
        for directory in (EARLIER, LATER):
            store.memories.write("acme", *account_memory(Account(directory, f"{directory}/7", thumbprint(first))))
    with locked_state(appliance.engine(), 1) as state:
        change = change_at(state, LATER)
        assert change.earlier is None
        known = Account(LATER, f"{LATER}/7", thumbprint(change.new))
        with state.store.write():
            state.store.memories.write("acme", *account_memory(known))
        finish_key_change(state, change)
        back = change_at(state, EARLIER)
        assert thumbprint(back.earlier) == thumbprint(first)
        assert thumbprint(back.new) == thumbprint(change.new)
        proposed = change_at(state, LATER)
        finish_key_change(state, back)
        present = state.store.account_keys.load(Role.PRESENT)
        assert thumbprint(present) == thumbprint(change.new)
        assert thumbprint(proposed.new) != thumbprint(change.new)


def test_an_account_by_the_shared_key_follows_to_the_own_key_of_its_table_and_back(appliance):
    shared, own = make_account_key(), make_account_key()
    with appliance.store() as store, store.write():
        store.account_keys.add(shared, appliance.clock())
        store.account_keys.add(own, appliance.clock(), "acme")
        store.memories.write("acme", *account_memory(Account(LATER, f"{LATER}/7", thumbprint(shared))))
    with locked_state(appliance.engine(), 1) as state:
        change = change_at(state, LATER, account_key="own")
        assert (thumbprint(change.new), thumbprint(change.earlier)) == (thumbprint(own), thumbprint(shared))
        with state.store.write():
            state.store.memories.write("acme", *account_memory(Account(LATER, f"{LATER}/7", thumbprint(own))))
        finish_key_change(state, change)
        back = change_at(state, LATER)
        assert (thumbprint(back.new), thumbprint(back.earlier)) == (thumbprint(shared), thumbprint(own))


def test_accounts_that_share_a_key_get_the_same_new_one(appliance):
    first = make_account_key()
    with appliance.store() as store, store.write():
        store.account_keys.add(first, appliance.clock())
    cas = [SourceHandle(AcmeSource(directory=each), name=name) for name, each in (("a", EARLIER), ("b", LATER))]
    with locked_state(appliance.engine(), 1) as state:
        changes = key_changes(state, cas)
        assert {each: change.earlier for each, change in changes.items()} == {"a": None, "b": None}
        assert len({thumbprint(change.new) for change in changes.values()}) == 1
