"""The OpenAPI document of each TMF API and version by itself: it is valid, and so are its examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from farwire.app import api_routes
from farwire.base.web.api_documents import api_documents

DOCUMENTS = api_documents(api_routes())


def examples(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (operation, content) for all that is sent, and all that comes back when it went well."""
    for operations in document["paths"].values():
        for operation in operations.values():
            good = [one for status, one in operation["responses"].items() if status[0] == "2"]
            for where in (operation.get("requestBody", {}), *good):
                for content in where.get("content", {}).values():
                    yield operation["operationId"], content


@pytest.mark.parametrize("base", DOCUMENTS)
def test_an_api_has_a_valid_document_in_which_every_schema_has_an_example_that_it_allows(base: str) -> None:
    document = DOCUMENTS[base]()
    OpenAPIV31SpecValidator(document).validate()
    assert document["info"]["title"].startswith("TMF")
    assert all(path.startswith(f"{base}/") for path in document["paths"])
    seen = list(examples(document))
    assert len(seen) >= len(document["paths"]) // 2 >= 1
    for name, content in seen:
        schema = {**content["schema"], "components": document["components"]}
        wrong = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(content["example"])
        assert [error.message for error in wrong] == [], (name, content["example"])


def test_every_listed_operation_of_every_api_is_in_one_of_the_documents() -> None:
    told = {path for make in DOCUMENTS.values() for path in make()["paths"]}
    assert told == {
        route.path for route in api_routes() if route.listed and route.path.startswith("/tmf-api/")
    }
    assert len(DOCUMENTS) >= 100


async def test_the_document_of_an_api_is_served_below_its_base_path(client: httpx.AsyncClient) -> None:
    base = "/tmf-api/productCatalogManagement/v5"
    answer = await client.get(f"{base}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == DOCUMENTS[base]()
    assert (await client.get("/tmf-api/productCatalogManagement/v9/openapi.json")).status_code == 404
