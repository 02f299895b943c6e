"""Requests drawn from the OpenAPI description: each is answered or refused as described, and none breaks the server."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from telltale.serve.server import ServerThread

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/tell"),
        ("GET", "/healthz"),
        ("GET", "/bundle/{name}"),
        ("GET", "/api/streams"),
    ],
)
def test_a_drawn_request_is_answered_as_described(server: ServerThread, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")

    @given(case=schema[path][method].as_strategy())
    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
