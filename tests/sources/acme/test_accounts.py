"""Accounts are found, made, changed and remembered."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.errors.account import AccountRefused, ExternalAccountMissing, RekeyUnfinished, TermsNotAgreed
from agent.pki.account_key import make_account_key, thumbprint
from agent.sources.acme.account import Accounts, AccountWish
from agent.sources.acme.account_admin import AccountAdmin
from agent.sources.acme.client import AcmeClient
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.messages import ProblemDocument, account_from
from agent.sources.acme.source import AcmeSource
from agent.sources.acme.takeover import confirm, look_up, unconfirmed_memory
from support.cas.challtestsrv import OLD
from support.cas.stub_server import Reply
from support.clients.acme import asking
from support.fakes.source_context import FakeSourceContext, utc_now

KID, MAC_KEY = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
CONTACT = ("admin@example.com",)


@pytest.fixture
def client(stub, context):
    made = AcmeClient(stub.directory_url, context.key, now=utc_now)
    yield made
    made.close()


def posted(stub) -> list[dict]:
    return [each.payload for each in stub.requests("newAccount")]


def test_an_account_is_looked_for_then_made_and_remembered(stub, context, client):
    account = Accounts(context).ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    assert posted(stub) == [
        {"onlyReturnExisting": True},
        {"termsOfServiceAgreed": True, "contact": ["mailto:admin@example.com"]},
    ]
    assert account.url == f"{stub.url}/account/1"
    assert account.thumbprint == thumbprint(context.key)
    assert account.terms == "https://ca.example/terms"
    assert account_from(context.memory.read(f"account {stub.directory_url}")) == account
    assert client.account == account


def test_a_remembered_account_costs_no_request(stub, context, client):
    first = Accounts(context).ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    stub.seen.clear()
    later = AcmeClient(stub.directory_url, context.key, now=utc_now)
    assert Accounts(context).ensure(later, AccountWish(contact=CONTACT, agree_terms=True)) == first
    assert stub.seen == []
    assert later.new_order(context, ["www.example.com"]).status == "pending"
    later.close()


def test_an_account_whose_url_was_lost_is_found_by_its_key(stub, context, client):
    first = Accounts(context).ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    context.memory.entries.clear()
    assert Accounts(context).ensure(client, AccountWish(contact=CONTACT, agree_terms=True)).url == first.url
    assert len(stub.accounts) == 1
    assert context.steps[-1] == ("account", f"the account {first.url} is found by its key")


def test_a_key_of_another_client_is_looked_up_and_nothing_is_made_or_kept(stub, context, client):
    source = AcmeSource(directory=stub.directory_url)
    assert look_up(source, context.key, context) is None
    first = Accounts(context).ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    context.memory.entries.clear()
    context.steps.clear()
    assert look_up(source, context.key, context).url == first.url
    assert posted(stub)[-1] == {"onlyReturnExisting": True}
    assert not context.memory.entries
    assert not context.steps
    stub.script("newAccount", Reply(200, body={"status": "deactivated"}, headers={"Location": first.url}))
    with pytest.raises(AccountRefused, match="the account is deactivated"):
        look_up(source, context.key, context)


@pytest.mark.parametrize("known", [True, False])
def test_an_account_that_was_imported_while_its_ca_was_away_is_asked_for_once_with_the_first_inquiry(at, stub, known):
    orderer = at(stub)
    chain = orderer.order("www.example.com")
    entry = f"account {stub.directory_url}"
    url = orderer.context.memory.read(entry)["url"]
    _, state = unconfirmed_memory(orderer.source, orderer.context.key, url)
    orderer.context.memory.write(entry, state)
    if not known:
        stub.accounts.clear()
    stub.seen.clear()
    for _ in range(2):
        orderer.source.inquire(chain, None, orderer.context)
    assert posted(stub) == [{"onlyReturnExisting": True}]
    assert orderer.context.memory.read(entry).get("status") == ("valid" if known else None)
    told = (
        f"{url} is found by its key"
        if known
        else "that was imported is not used, as the CA knows no account by its key"
    )
    assert orderer.context.steps[-1] == ("account", f"the account {told}")


def test_an_imported_account_waits_for_a_ca_that_fails(stub, context, client):
    context.memory.write(
        *unconfirmed_memory(AcmeSource(directory=stub.directory_url), context.key, "https://ca.example/7")
    )
    stub.script("newAccount", *[Reply(500, "serverInternal")] * 4)
    confirm(client, context)
    assert context.memory.read(f"account {stub.directory_url}")["status"] == "unconfirmed"
    stub.script("newAccount", Reply(403, "unauthorized"))
    confirm(client, context)
    assert context.memory.read(f"account {stub.directory_url}") == {}


@pytest.mark.parametrize("options", [{}, {"programs": OLD}], ids=["new", "old"])
def test_pebble_makes_finds_changes_and_ends_accounts(pebble_with, context, options):
    ca = pebble_with(**options)
    accounts = Accounts(context)
    with asking(ca, context) as client:
        first = client.account
        context.memory.entries.clear()
        assert accounts.ensure(client, AccountWish(agree_terms=True)).url == first.url
        changed = accounts.ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
        assert changed.contact == ("mailto:admin@example.com",)
        accounts.deactivate(client)
        assert client.account is None
        with pytest.raises(CaProblem):
            accounts.ensure(client, AccountWish(agree_terms=True))


def test_an_account_of_another_key_is_not_used_nor_another_one_made(stub, context, client):
    Accounts(context).ensure(client, AccountWish(agree_terms=True))
    other = AcmeClient(stub.directory_url, make_account_key(), now=utc_now)
    with pytest.raises(RekeyUnfinished):
        Accounts(context).ensure(other, AccountWish(agree_terms=True))
    assert len(stub.accounts) == 1
    other.close()


def test_an_account_that_is_known_by_an_earlier_key_follows_to_the_present_one(stub, context):
    source = AcmeSource(directory=stub.directory_url, agree_terms=True)
    first = AccountAdmin(source, context, "acme").registered()
    later = FakeSourceContext(context.webroot)
    later.memory = context.memory
    admin = AccountAdmin(source, later, "acme")
    with pytest.raises(RekeyUnfinished):
        admin.registered()
    assert admin.roll_over(later.key, context.key)
    assert admin.registered().url == first.url
    assert len(stub.accounts) == 1
    later.close()


@pytest.mark.parametrize("known", [True, False])
def test_the_key_of_an_account_that_is_not_confirmed_yet_is_changed_or_the_account_given_up(
    stub, context, client, known
):
    url = Accounts(context).ensure(client, AccountWish(agree_terms=True)).url
    context.memory.write(*unconfirmed_memory(AcmeSource(directory=stub.directory_url), context.key, url))
    if not known:
        stub.accounts.clear()
    new = make_account_key()
    again = AcmeClient(stub.directory_url, context.key, now=utc_now)
    assert Accounts(context).rollover(again, new) is known
    again.use(context, new)
    assert (Accounts(context).remembered(again) is not None) is known
    assert len(stub.requests("keyChange")) == known
    again.close()


def test_an_account_of_which_the_key_is_lost_is_given_up_by_the_command_that_is_named(stub, context, client):
    lost = Accounts(context).ensure(client, AccountWish(agree_terms=True))
    new = make_account_key()
    other = AcmeClient(stub.directory_url, make_account_key(), now=utc_now)
    assert not Accounts(context).rollover(other, new)
    other.use(context, new)
    assert Accounts(context).ensure(other, AccountWish(agree_terms=True)).url != lost.url
    assert Accounts(context).rollover(other, new)
    other.close()


def test_orders_that_begin_together_make_one_account(stub, context, client):
    with ThreadPoolExecutor(8) as threads:
        found = set(
            threads.map(lambda _: Accounts(context).ensure(client, AccountWish(agree_terms=True)).url, range(8))
        )
    assert found == {f"{stub.url}/account/1"}
    assert len(posted(stub)) == 2


# Terms


def test_without_consent_no_account_is_made(stub, context, client):
    with pytest.raises(TermsNotAgreed) as refused:
        Accounts(context).ensure(client, AccountWish(agree_terms=False, ca="The CA"))
    assert "terms of service of The CA" in str(refused.value)
    assert "https://ca.example/terms" in str(refused.value)
    assert stub.accounts == {}


def test_where_there_are_no_terms_none_need_be_agreed_to(stub, context, client):
    stub.meta = {}
    assert Accounts(context).ensure(client, AccountWish(agree_terms=False)).terms == ""
    assert posted(stub)[-1] == {"termsOfServiceAgreed": False}


def user_action_required(context, stub, client) -> CaProblem:
    Accounts(context).ensure(client, AccountWish(agree_terms=True))
    terms = {"Link": '<https://ca.example/terms/2>;rel="terms-of-service"'}
    stub.script("newOrder", Reply(403, "userActionRequired", "new terms", headers=terms))
    with pytest.raises(CaProblem) as refused:
        client.new_order(context, ["www.example.com"])
    return refused.value


def test_terms_that_have_changed_are_agreed_to_where_the_settings_do(stub, context, client):
    refused = user_action_required(context, stub, client)
    stub.seen.clear()
    assert Accounts(context).recover(refused, client, AccountWish(agree_terms=True))
    assert [each.payload for each in stub.requests("account")] == [{"termsOfServiceAgreed": True}]
    assert client.new_order(context, ["www.example.com"]).status == "pending"


def test_terms_that_have_changed_are_a_person_s_business_where_the_settings_do_not_agree_or_the_ca_wants_more(
    stub, context, client
):
    refused = user_action_required(context, stub, client)
    assert refused.problem.instance == "https://ca.example/terms/2"
    assert not Accounts(context).recover(refused, client, AccountWish(agree_terms=False))
    stub.script("account", Reply(403, "userActionRequired", "read it"))
    assert not Accounts(context).recover(refused, client, AccountWish(agree_terms=True))


# Contact


def test_another_contact_is_told_once(stub, context, client):
    accounts = Accounts(context)
    accounts.ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    for _ in range(2):
        account = accounts.ensure(client, AccountWish(contact=["boss@example.com"], agree_terms=True))
    assert [each.payload for each in stub.requests("account")] == [{"contact": ["mailto:boss@example.com"]}]
    assert account.contact == ("mailto:boss@example.com",)
    accounts.ensure(client, AccountWish(contact=(), agree_terms=True))
    assert stub.contacts[account.url] == []


def test_a_contact_that_the_ca_does_not_accept_is_left_out_and_told(stub, context, client):
    accounts = Accounts(context)
    stub.script("newAccount", Reply(400, "accountDoesNotExist"), Reply(400, "invalidContact", "forbidden domain"))
    account = accounts.ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    assert posted(stub)[-1] == {"termsOfServiceAgreed": True}
    assert ("account", "the CA does not accept contact: forbidden domain") in context.steps
    assert accounts.ensure(client, AccountWish(contact=CONTACT, agree_terms=True)) == account
    assert len(posted(stub)) == 3, "it isn't tried again in each run"


def test_a_change_of_contact_that_the_ca_does_not_accept_changes_nothing_else(stub, context, client):
    accounts = Accounts(context)
    accounts.ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    stub.script("account", Reply(400, "unsupportedContact", "no such scheme"))
    for _ in range(2):
        account = accounts.ensure(client, AccountWish(contact=["tel:123"], agree_terms=True))
    assert account.contact == ("mailto:admin@example.com",)
    assert len(stub.requests("account")) == 1


@pytest.mark.parametrize("kind", ["serverInternal", "unauthorized"])
def test_other_refusals_of_a_change_are_told(stub, context, client, kind):
    Accounts(context).ensure(client, AccountWish(agree_terms=True))
    stub.script("account", Reply(403, kind))
    with pytest.raises(CaProblem, match=kind):
        Accounts(context).ensure(client, AccountWish(contact=CONTACT, agree_terms=True))


def test_a_ca_that_ignores_contacts_is_not_told_again_in_each_run(stub, context, client):
    body = {"status": "valid"}
    stub.script(
        "newAccount",
        Reply(400, "accountDoesNotExist"),
        Reply(201, body=body, headers={"Location": f"{stub.url}/account/1"}, carried_out=True),
    )
    for _ in range(3):
        Accounts(context).ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    assert len(posted(stub)) == 2
    assert len(stub.requests("account")) <= 1


# External accounts


def test_a_ca_for_customers_only_is_asked_with_the_external_account(pebble_with, context):
    ca = pebble_with(eab={KID: MAC_KEY})
    client = AcmeClient(ca.directory_url, context.key, trust=ca.trust_file, now=utc_now)
    with pytest.raises(ExternalAccountMissing):
        Accounts(context).ensure(client, AccountWish(agree_terms=True))
    for kid, key in ((KID, MAC_KEY[:-4]), ("kid-2", MAC_KEY)):
        with pytest.raises(CaProblem) as refused:
            Accounts(context).ensure(client, AccountWish(agree_terms=True, external_account=(kid, key, "HS256")))
        assert (refused.value.resource, refused.value.problem.type) == ("newAccount", "unauthorized")
    account = Accounts(context).ensure(client, AccountWish(agree_terms=True, external_account=(KID, MAC_KEY, "HS256")))
    assert account.external_account == KID
    assert client.new_order(context, ["www.example.com"]).status == "pending"
    client.close()


# Gone, and refused


def test_an_account_that_the_ca_has_forgotten_is_made_again_and_its_new_url_told(stub, context, client):
    accounts = Accounts(context)
    accounts.ensure(client, AccountWish(contact=CONTACT, agree_terms=True))
    stub.accounts.clear()
    stub.accounts["taken"] = None
    with pytest.raises(CaProblem) as refused:
        client.new_order(context, ["www.example.com"])
    assert accounts.recover(refused.value, client, AccountWish(contact=CONTACT, agree_terms=True))
    assert client.account.url == f"{stub.url}/account/2"
    assert context.steps[-1] == (
        "account",
        f"the CA no longer knew the account; CAA records with accounturi need the new one: {stub.url}/account/2",
    )
    assert client.new_order(context, ["www.example.com"]).status == "pending"


def test_pebble_that_was_restarted_gets_the_account_again(pebble_with, context):
    ca = pebble_with()
    with asking(ca, context) as client:
        ca.stop()
        ca.start()
        with pytest.raises(CaProblem) as refused:
            client.new_order(context, ["www.example.com"])
        assert Accounts(context).recover(refused.value, client, AccountWish(agree_terms=True))
        assert client.new_order(context, ["www.example.com"]).status == "pending"


def test_orders_that_are_refused_together_make_the_account_again_once(pebble_with, context):
    ca = pebble_with()
    with asking(ca, context) as client, ThreadPoolExecutor(8) as pool:

        def order(number):
            try:
                return client.new_order(context, [f"a{number}.example.com"]).status
            except CaProblem as refused:
                Accounts(context).recover(refused, client, AccountWish(agree_terms=True))
            return client.new_order(context, [f"a{number}.example.com"]).status

        ca.stop()
        ca.start()
        ca.mark()
        assert list(pool.map(order, range(40))) == ["pending"] * 40
        assert ca.requests("/sign-me-up") == ["POST /sign-me-up"] * 2, "it is looked for, then made"


def test_where_there_is_no_account_there_are_no_terms_to_agree_to(context, client):
    new_terms = CaProblem(ProblemDocument("userActionRequired", "new terms", status=403), url=client.url)
    assert not Accounts(context).recover(new_terms, client, AccountWish(agree_terms=True))


def test_nothing_can_be_done_about_other_refusals(stub, context, client):
    Accounts(context).ensure(client, AccountWish(agree_terms=True))
    stub.script("newOrder", Reply(400, "malformed"))
    with pytest.raises(CaProblem) as refused:
        client.new_order(context, ["www.example.com"])
    assert not Accounts(context).recover(refused.value, client, AccountWish(agree_terms=True))


def test_a_ca_that_fails_while_it_looks_for_an_account_is_asked_again_later(stub, context, client):
    stub.script("newAccount", Reply(403, "unauthorized"))
    with pytest.raises(CaProblem, match="unauthorized"):
        Accounts(context).ensure(client, AccountWish(agree_terms=True))
    assert stub.accounts == {}


@pytest.mark.parametrize("kind", ["malformed", "externalAccountRequired"])
def test_a_ca_that_can_t_look_for_accounts_is_asked_to_make_one(stub, context, client, kind):
    stub.script("newAccount", Reply(400, kind))
    assert Accounts(context).ensure(client, AccountWish(agree_terms=True)).url == f"{stub.url}/account/1"


def test_an_account_that_is_found_deactivated_is_no_account(stub, context, client):
    body = {"status": "deactivated"}
    stub.script("newAccount", Reply(200, body=body, headers={"Location": f"{stub.url}/account/1"}))
    with pytest.raises(CaProblem, match="unauthorized: the account is deactivated"):
        Accounts(context).ensure(client, AccountWish(agree_terms=True))


def test_deactivating_forgets_the_account_even_if_none_is_remembered(stub, context, client):
    accounts = Accounts(context)
    accounts.ensure(client, AccountWish(agree_terms=True))
    accounts.deactivate(client)
    assert stub.accounts == {}
    assert context.memory.entries[f"account {stub.directory_url}"] == {}
    accounts.deactivate(client)
    assert len(stub.requests("account")) == 1


@pytest.mark.parametrize("kind", ["unauthorized", "accountDoesNotExist"])
def test_an_account_that_is_given_up_already_is_forgotten_too(stub, context, client, kind):
    Accounts(context).ensure(client, AccountWish(agree_terms=True))
    stub.script("account", Reply(403, kind))
    Accounts(context).deactivate(client)
    assert client.account is None


def test_an_account_that_could_not_be_given_up_is_not_forgotten(stub, context, client):
    account = Accounts(context).ensure(client, AccountWish(agree_terms=True))
    stub.script("account", Reply(400, "malformed"))
    with pytest.raises(CaProblem, match="malformed"):
        Accounts(context).deactivate(client)
    assert Accounts(context).remembered(client) == account


# Another key


@pytest.mark.parametrize("options", [{}, {"programs": OLD}], ids=["new", "old"])
def test_pebble_knows_the_account_by_its_new_key(pebble_with, context, options):
    ca = pebble_with(**options)
    new = make_account_key()
    with asking(ca, context) as client:
        before = client.account
        Accounts(context).rollover(client, new)
        assert client.account.url == before.url
        assert client.new_order(context, ["www.example.com"]).status == "pending"
    later = AcmeClient(ca.directory_url, new, trust=ca.trust_file, now=utc_now)
    assert Accounts(context).ensure(later, AccountWish(agree_terms=True)).url == before.url
    assert later.new_order(context, ["www.example.com"]).status == "pending"
    later.close()


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_a_change_of_key_goes_on_after_a_crash_whether_the_ca_has_made_it_or_not(stub, context, carried_out):
    new = make_account_key()
    with asking(stub, context) as client:
        stub.script("keyChange", *[Reply(lost=True, carried_out=carried_out)])
        with pytest.raises(CaUnreachable, match="broke the connection off"):
            Accounts(context).rollover(client, new)
        assert client.thumbprint == thumbprint(context.key)
    again = AcmeClient(stub.directory_url, context.key, now=utc_now)
    Accounts(context).rollover(again, new)
    assert again.thumbprint == again.account.thumbprint == thumbprint(new)
    assert again.new_order(context, ["www.example.com"]).status == "pending"
    assert "rollover" not in context.memory.read(f"account {stub.directory_url}")
    Accounts(context).rollover(again, new)
    assert len(stub.requests("keyChange")) == (1 if carried_out else 2)
    again.close()


@pytest.mark.parametrize("carried_out", [False, True], ids=["before", "after"])
def test_while_a_change_of_key_is_interrupted_nothing_is_asked_for(stub, context, carried_out):
    new = make_account_key()
    with asking(stub, context) as client:
        stub.script("keyChange", *[Reply(lost=True, carried_out=carried_out)])
        with pytest.raises(CaUnreachable):
            Accounts(context).rollover(client, new)
    again = AcmeClient(stub.directory_url, context.key, now=utc_now)
    with pytest.raises(RekeyUnfinished):
        Accounts(context).ensure(again, AccountWish(agree_terms=True))
    Accounts(context).rollover(again, new)
    Accounts(context).ensure(again, AccountWish(agree_terms=True))
    assert len(stub.accounts) == 1
    again.close()


def test_a_ca_that_fails_while_it_looks_for_the_new_key_leaves_all_as_it_is(stub, context, client):
    new = make_account_key()
    Accounts(context).ensure(client, AccountWish(agree_terms=True))
    stub.script("keyChange", Reply(lost=True, carried_out=True))
    with pytest.raises(CaUnreachable):
        Accounts(context).rollover(client, new)
    stub.script("newAccount", Reply(403, "unauthorized"))
    with pytest.raises(CaProblem, match="unauthorized"):
        Accounts(context).rollover(client, new)
    Accounts(context).rollover(client, new)
    assert client.new_order(context, ["www.example.com"]).status == "pending"


@pytest.mark.parametrize("status", ["valid", "deactivated"])
def test_an_account_is_given_up_only_where_the_ca_refuses_it_itself(stub, context, client, status):
    account = Accounts(context).ensure(client, AccountWish(agree_terms=True))
    stub.script("keyChange", Reply(403, "unauthorized"))
    stub.script("newAccount", Reply(200, body={"status": status}, headers={"Location": account.url}))
    if status == "valid":
        with pytest.raises(CaProblem, match="unauthorized"):
            Accounts(context).rollover(client, make_account_key())
    else:
        assert not Accounts(context).rollover(client, make_account_key())
        assert context.memory.entries[f"account {stub.directory_url}"] == {}
        again = Accounts(context).ensure(client, AccountWish(agree_terms=True))
        assert again.url != account.url


def test_a_change_of_key_that_the_ca_refuses_has_not_begun(stub, context, client):
    account = Accounts(context).ensure(client, AccountWish(agree_terms=True))
    stub.script("keyChange", Reply(400, "malformed"))
    with pytest.raises(CaProblem, match="malformed"):
        Accounts(context).rollover(client, make_account_key())
    assert Accounts(context).ensure(client, AccountWish(agree_terms=True)).url == account.url


def test_there_is_no_key_to_change_where_there_is_no_account(stub, context, client):
    Accounts(context).rollover(client, make_account_key())
    assert stub.seen == []
