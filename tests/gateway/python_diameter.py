"""A packet gateway made of python-diameter: a client that we did not write."""

from __future__ import annotations

from typing import Any

from diameter.message import constants as c
from diameter.message.commands import CreditControlRequest
from diameter.message.commands.credit_control import (
    MultipleServicesCreditControl,
    RequestedServiceUnit,
    UsedServiceUnit,
)
from diameter.node import Node
from diameter.node.application import SimpleThreadingApplication


class Client:
    """A packet gateway of python-diameter, connected to one peer."""

    def __init__(self, peer: str, realm: str, port: int, subscriber: str) -> None:
        self.realm, self.subscriber = realm, subscriber
        self.node = Node("pgw.test.realm", "test.realm")
        found = self.node.add_peer(
            f"aaa://{peer}:{port}", realm, ip_addresses=["127.0.0.1"], is_persistent=True
        )
        application_id = c.APP_DIAMETER_CREDIT_CONTROL_APPLICATION
        self.told: list[Any] = []
        """Requests of the server."""
        self.application = SimpleThreadingApplication(
            application_id, is_auth_application=True, request_handler=self._hear
        )
        self.node.add_application(self.application, [found], ["test.realm"])
        self.node.start()
        self.application.wait_for_ready(60)

    def _hear(self, _application: Any, request: Any) -> Any:
        self.told.append(request)
        answer = request.to_answer()
        answer.session_id, answer.result_code = request.session_id, 2002
        answer.origin_host, answer.origin_realm = b"pgw.test.realm", b"test.realm"
        return answer

    def ask(self, type_: int, number: int, *, used: int = 0, requested: int | None = None) -> Any:
        one = CreditControlRequest()
        one.session_id, one.service_context_id = "pgw.test.realm;7;7", "8.32251@3gpp.org"
        one.origin_host, one.origin_realm = b"pgw.test.realm", b"test.realm"
        one.destination_realm, one.auth_application_id = self.realm.encode(), 4
        one.cc_request_type, one.cc_request_number = type_, number
        one.add_subscription_id(subscription_id_type=0, subscription_id_data=self.subscriber)
        units = MultipleServicesCreditControl(rating_group=1)
        if requested is not None:
            units.requested_service_unit = RequestedServiceUnit(cc_total_octets=requested)
        if used:
            units.used_service_unit = [UsedServiceUnit(cc_total_octets=used)]
        one.multiple_services_credit_control = [units]
        return self.application.send_request(one, timeout=60)
