"""HTTP: routes as data, one pipeline for them, and the OpenAPI document from the same declarations (see README.md)."""

from farwire.base.web.access import AccessLog
from farwire.base.web.api import Api, Limits, build_api
from farwire.base.web.authentication import Authenticate
from farwire.base.web.documents import Amount, MoneyDocument, asked_moment, moment, shown_actor, timestamp
from farwire.base.web.openapi import openapi_document
from farwire.base.web.parameters import AnyQuery, ById, Nothing, PageQuery
from farwire.base.web.route import (
    JSON,
    PDF,
    Access,
    AnyRoute,
    Call,
    Contract,
    Method,
    Reply,
    Route,
    page_reply,
)

__all__ = [
    "JSON",
    "PDF",
    "Access",
    "AccessLog",
    "Amount",
    "AnyQuery",
    "AnyRoute",
    "Api",
    "Authenticate",
    "ById",
    "Call",
    "Contract",
    "Limits",
    "Method",
    "MoneyDocument",
    "Nothing",
    "PageQuery",
    "Reply",
    "Route",
    "asked_moment",
    "build_api",
    "moment",
    "openapi_document",
    "page_reply",
    "shown_actor",
    "timestamp",
]
