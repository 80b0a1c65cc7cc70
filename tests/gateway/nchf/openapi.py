"""The OpenAPI documents of 3GPP as oracle: every request and answer of these tests is one of theirs."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

CONVERGED = "TS32291_Nchf_ConvergedCharging.yaml"
OFFLINE = "TS32291_Nchf_OfflineOnlyCharging.yaml"
SPENDING = "TS29594_Nchf_SpendingLimitControl.yaml"
NRF = "TS29510_Nnrf_NFManagement.yaml"
COMMON = "TS29571_CommonData.yaml"


class Documents:
    """Checks by the documents of a folder; without the folder nothing is checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder if folder.is_dir() else None
        self.checked = 0
        self._registry: Any = Registry(retrieve=self._retrieve)  # type: ignore[call-arg]

    def _retrieve(self, uri: str) -> Any:
        assert self.folder is not None
        return Resource.from_contents(
            _loaded(self.folder / uri.rpartition("/")[2]), default_specification=DRAFT4
        )

    def check(self, file: str, schema: str, document: object) -> None:
        """Raise ``AssertionError`` for what is no such document."""
        if self.folder is None:
            return
        reference = {"$ref": f"urn:3gpp:/{file}#/components/schemas/{schema}"}
        validator = OAS30Validator(reference, registry=self._registry, format_checker=oas30_format_checker)
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
        assert not errors, errors
        self.checked += 1

    def words(self, file: str, schema: str) -> set[str] | None:
        """Return the words of an enumeration, which other ones may join."""
        if self.folder is None:
            return None
        found = _loaded(self.folder / file)["components"]["schemas"][schema]
        return {word for one in found["anyOf"] for word in one.get("enum", ())}

    def check_answer(self, file: str, path: str, method: str, status: int, kind: str, body: bytes) -> None:
        """Check that an operation may answer with that status, media type and content."""
        if self.folder is None:
            return
        operation = _loaded(self.folder / file)["paths"][path][method.lower()]
        found = operation["responses"].get(str(status)) or operation["responses"]["default"]
        if "$ref" in found:
            name, _, pointer = found["$ref"].partition("#/")
            found = _loaded(self.folder / (name or file))
            for part in pointer.split("/"):
                found = found[part]
        content = found.get("content", {})
        if not body:
            assert not content or status >= 400, (status, content)
            return
        if status >= 400:
            assert kind == "application/problem+json"
            self.check(COMMON, "ProblemDetails", json.loads(body))
            return
        (reference,) = [one["schema"]["$ref"] for name, one in content.items() if name == kind]
        self.check(file, re.sub(r".*/", "", reference), json.loads(body))


@cache
def _loaded(path: Path) -> Any:
    # Times stay text, as they are in JSON.
    class Loader(yaml.CSafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:timestamp"]
        for first, rows in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506
