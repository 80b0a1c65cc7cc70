"""Where a target's attributes lie in a device's YANG data: the settings, and the XML made and read by them. Pure.

A target is an entry of a list: ``entry`` is the path to the list, ``key`` the leaf below it that holds the target's
name. Each attribute is a leaf, by its path from the entry. Prefixes are those of ``namespace``, whatever the device
calls them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from farwire.activation.adapters.settings import Status, unusable
from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Action, Operation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NETCONF: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
_PATH: Final = re.compile(r"[A-Za-z_][\w.-]*:[A-Za-z_][\w.-]*(/[A-Za-z_][\w.-]*:[A-Za-z_][\w.-]*)*")
_STATUS_OF: Final = {Action.PROVISION: ACTIVE, Action.SUSPEND: SUSPENDED, Action.RESUME: ACTIVE}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a NETCONF element."""

    user: str
    host_key: str
    """The device's public key, as ``ssh-keyscan`` prints it without the host: no other device is spoken to."""
    login: Literal["password", "key"] = "password"
    """What the credentials are: a password, or the file of a private key."""
    namespace: dict[str, str]
    """YANG namespaces by prefix."""
    entry: str
    key: str
    attribute: dict[str, str]
    fixed: dict[str, str] = {}
    """Leaves that a new target gets beside its attributes."""
    status: Status | None = None

    def checked(self) -> Settings:
        """Return the settings. Raises ``Invalid`` (``activation.element``) for a path that cannot be."""
        status = {} if self.status is None else {"status.at": self.status.at}
        attributes = {f"attribute.{name}": path for name, path in self.attribute.items()}
        fixed = {f"fixed.{path}": path for path in self.fixed}
        paths = {"entry": self.entry, "key": self.key, **attributes, **fixed, **status}
        for field, path in paths.items():
            if _PATH.fullmatch(path) is None:
                raise unusable(field, "it is no path such as if:interfaces/if:interface")
            if unknown := [step for step in path.split("/") if step.split(":")[0] not in self.namespace]:
                raise unusable(field, f"its prefix is no namespace: {unknown[0]}")
        return self

    def unknown(self, operation: Operation) -> str:
        """Return why the operation cannot be written into these leaves, or ""."""
        if more := sorted(operation.attributes.keys() - self.attribute.keys()):
            return "no leaf is named for " + ", ".join(more)
        if self.status is None and operation.action in (Action.SUSPEND, Action.RESUME):
            return "no leaf is named for the status"
        for name, text in operation.attributes.items():
            if text != text.strip():  # devices drop the space, and show another value for ever
                return f"{name} begins or ends with a space"
        return ""

    def edit(self, operation: Operation) -> Any:
        """Return the ``<config>`` that carries the operation out on a device that may know the target."""
        root, entry = self._tree("config", operation.target)
        if operation.action is Action.TERMINATE:
            entry.set(f"{{{NETCONF}}}operation", "delete")
            return root
        wanted = {self.attribute[name]: text for name, text in operation.attributes.items()}
        if operation.action is Action.PROVISION:
            wanted = {**self.fixed, **wanted}
        status = _STATUS_OF.get(operation.action)
        if self.status is not None and status is not None:
            wanted[self.status.at] = self.status.word(status)
        for path, text in wanted.items():
            self._below(entry, path).text = text
        return root

    def back(self, target: str, before: Any) -> Any:
        """Return the ``<config>`` that brings an entry back to what it was: ``before``, None for not there."""
        root, entry = self._tree("config", target)
        if before is None:
            entry.set(f"{{{NETCONF}}}operation", "remove")
            return root
        parent = entry.getparent()
        parent.replace(entry, before)
        before.set(f"{{{NETCONF}}}operation", "replace")
        return root

    def these(self, targets: Sequence[str]) -> Any:
        """Return the filter that finds these targets."""
        root, first = self._tree("filter", targets[0])
        for target in targets[1:]:
            more = first.makeelement(first.tag, nsmap=first.nsmap)
            first.getparent().append(more)
            self._below(more, self.key).text = target
        return root

    def names(self) -> Any:
        """Return the filter that finds the names of all targets."""
        return self._tree("filter", None)[0]

    def entries(self, data: Any) -> Iterator[tuple[str, Any]]:
        """Yield the targets in a device's ``<data>``: name and entry."""
        for entry in data.findall(self.entry, self.namespace):
            name = entry.findtext(self.key, None, self.namespace)
            if name is not None:
                yield name.strip(), entry

    def shown(self, entry: Any) -> dict[str, str]:
        """Return what an entry says: the attributes that it has, and the status."""
        found = {name: entry.findtext(path, None, self.namespace) for name, path in self.attribute.items()}
        attributes = {name: text for name, text in found.items() if text is not None}
        at = None if self.status is None else entry.findtext(self.status.at, None, self.namespace)
        status = ACTIVE if self.status is None else self.status.shown(at and at.strip())
        return {**attributes, STATUS: status}

    def _tree(self, name: str, target: str | None) -> tuple[Any, Any]:
        from lxml import etree

        root = etree.Element(f"{{{NETCONF}}}{name}", nsmap={"nc": NETCONF, **self.namespace})
        if name == "filter":
            root.set("type", "subtree")
        entry = self._below(root, self.entry)
        self._below(entry, self.key).text = target
        return root, entry

    def _below(self, parent: Any, path: str) -> Any:
        """Return the element at a path, made where it is not there."""
        from lxml import etree

        for step in path.split("/"):
            prefix, _, name = step.partition(":")
            qualified = f"{{{self.namespace[prefix]}}}{name}"
            found = parent.find(qualified)
            parent = etree.SubElement(parent, qualified) if found is None else found
        return parent
