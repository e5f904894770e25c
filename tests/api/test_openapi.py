"""The OpenAPI document is what the API does: its routes, what it takes and what it answers, whatever it is asked."""

from __future__ import annotations

import json
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from agent.api.access import Access
from agent.api.openapi import document
from agent.api.routes import ROUTES
from support.appliances.api import make_people, make_tunnel
from support.appliances.deployed import Deployed
from support.clients.over_unix import BASE, session_over
from support.processes.api import ApiProcess

WELL_FORMED = ["2xx", 401, 403, 404, 409, 422, 429, 503]
"""Of what is as documented, 400 is never said."""
CHECKS = {
    "positive_data_acceptance": {"expected-statuses": WELL_FORMED},
    "ignored_auth": {"enabled": False},  # root needs no session; who needs one is tested in test_who_may
}
CONFIG = SchemathesisConfig.from_dict({"checks": CHECKS})
SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(document(ROUTES))), config=CONFIG)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """An appliance whose jobs do nothing, and root, who may do everything."""
    appliance = Deployed(tmp_path_factory.mktemp("box"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", appliance.path)
        make_tunnel(appliance)
        make_people(appliance)
        with (
            ApiProcess(appliance.layout, web=(os.geteuid(),), jobs="taken") as api,
            session_over(appliance.layout.api, {}) as session,
        ):
            yield session
            assert "Traceback" not in api.log
    appliance.close()


@pytest.mark.sampled(8)
@SCHEMA.parametrize()
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_whatever_it_is_asked_it_answers_as_the_document_says(case, asked):
    case.call_and_validate(base_url=BASE, session=asked)


def test_every_route_stands_in_the_document_with_who_may_use_it(shared):
    found = shared.api.root.get("/v1/openapi.json").json
    listed = {
        (method.upper(), path): operation
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    }
    assert set(listed) == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = listed[route.method, route.path]
        assert operation["x-access"] == route.access
        assert operation["security"] == ([] if route.access is Access.PUBLIC else [{"bearer": []}, {}])
        assert operation["summary"]


def test_every_operation_has_a_name_of_its_own():
    names = [
        operation["operationId"] for methods in document(ROUTES)["paths"].values() for operation in methods.values()
    ]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere():
    text = json.dumps(document(ROUTES))
    schemas = document(ROUTES)["components"]["schemas"]
    parts = text.split('"$ref": "#/components/schemas/')[1:]
    assert {part.partition('"')[0] for part in parts} <= set(schemas)
