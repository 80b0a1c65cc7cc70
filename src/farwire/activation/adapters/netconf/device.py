"""One NETCONF session: what it can, one edit at a time, and how that stays or is taken back. Blocks.

Where the device can, an edit goes to its candidate and is committed as confirmed: until ``confirm`` comes the device
takes it back by itself, at once where the session ends, else after a time. Elsewhere the entry as it was before is
written again. Source: RFC 6241 §8.3, §8.4, §8.5.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from farwire.activation.adapters import Element
from farwire.activation.adapters.attempts import hush
from farwire.activation.adapters.netconf.mapping import Settings
from farwire.activation.adapters.settings import (
    host_and_port,
    no_answer,
    refused,
    secret_of,
    secret_path,
    unusable,
)
from farwire.activation.model import Action, Operation
from farwire.kernel.errors import FarwireError

T = TypeVar("T")
PORT: Final = 830
CONFIRM_S: Final = 60
"""After how long a device takes back by itself what nobody confirmed."""
_CAPABILITY: Final = "urn:ietf:params:netconf:capability"
_PASSING: Final = frozenset({"in-use", "lock-denied", "resource-denied"})
"""Errors that say: not now."""


class Session:
    """A session with one device. It has at most one edit that is neither confirmed nor undone."""

    def __init__(self, element: Element, settings: Settings, wait_s: float) -> None:
        self._element = element
        self._settings = settings
        self._manager = self._answered(lambda: _connected(element, settings, wait_s))
        found = {text.split("?")[0] for text in self._manager.server_capabilities}
        self._store = "candidate" if f"{_CAPABILITY}:candidate:1.0" in found else "running"
        self._cancels = f"{_CAPABILITY}:confirmed-commit:1.1" in found
        self._confirms = self._store == "candidate" and (
            self._cancels or f"{_CAPABILITY}:confirmed-commit:1.0" in found
        )
        self._rolls_back = f"{_CAPABILITY}:rollback-on-error:1.0" in found
        self._before: Any = None
        self._edited = False

    @property
    def alive(self) -> bool:
        """Return False where the session is known to have ended."""
        return bool(self._manager.connected)

    def wait(self, wait_s: float) -> None:
        """Wait for each answer that long from now on."""
        self._manager.timeout = wait_s

    def write(self, operation: Operation) -> None:
        """Lock the device and carry out the operation. Raises ``Invalid``, ``Unavailable``: close the session then."""
        self._answered(lambda: self._write(operation))

    def _write(self, operation: Operation) -> None:
        manager = self._manager
        manager.lock(self._store)
        if self._store == "candidate":
            manager.discard_changes()
        self._before = self._entries([operation.target]).get(operation.target)
        self._edited = self._before is not None or operation.action is Action.PROVISION
        if self._edited:
            self._edit(self._settings.edit(operation), confirmed=self._confirms)
        elif operation.action is not Action.TERMINATE:
            raise refused(self._element, "it does not know the target")

    def confirm(self) -> None:
        """Let the edit stay."""
        self._answered(self._confirm)

    def _confirm(self) -> None:
        if self._edited and self._confirms:
            self._manager.commit()
        self._release()

    def undo(self, operation: Operation) -> None:
        """Bring back what was there before the edit. Where it fails, closing the session may do it."""
        self._answered(lambda: self._undo(operation))

    def _undo(self, operation: Operation) -> None:
        if self._edited and self._cancels and self._confirms:
            self._manager.cancel_commit()
        elif self._edited and self._confirms:
            raise no_answer(self._element, "the end of the session takes it back")
        elif self._edited:
            self._edit(self._settings.back(operation.target, self._before), confirmed=False)
        self._release()

    def _release(self) -> None:
        self._edited, self._before = False, None
        self._manager.unlock(self._store)

    def _edit(self, config: Any, *, confirmed: bool) -> None:
        how = {"error_option": "rollback-on-error"} if self._rolls_back else {}
        self._manager.edit_config(config, target=self._store, **how)
        if confirmed:
            self._manager.commit(confirmed=True, timeout=str(CONFIRM_S))
        elif self._store == "candidate":
            self._manager.commit()

    def read(self, targets: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return what the device shows of those of the targets that it knows."""
        found = self._answered(lambda: self._entries(targets))
        return {name: self._settings.shown(entry) for name, entry in found.items()}

    def _entries(self, targets: Sequence[str]) -> dict[str, Any]:
        reply = self._manager.get_config("running", filter=self._settings.these(targets))
        asked = set(targets)  # a device may answer with more
        return {name: entry for name, entry in self._settings.entries(reply.data_ele) if name in asked}

    def targets(self) -> list[str]:
        """Return the targets that the device knows, by name."""
        reply = self._answered(lambda: self._manager.get_config("running", filter=self._settings.names()))
        return sorted(name for name, _ in self._settings.entries(reply.data_ele))

    def close(self) -> None:
        """End the session: the device unlocks, and takes back what was not confirmed."""
        with contextlib.suppress(Exception):  # whatever is wrong with it, it is given up
            self._manager.timeout = 1
            self._manager.close_session()

    def _answered(self, ask: Callable[[], T]) -> T:
        """Return what ``ask`` gives. Raises our own errors; they repeat nothing that was sent or answered."""
        from ncclient import NCClientError
        from ncclient.operations import RPCError
        from ncclient.transport.errors import AuthenticationError, SSHUnknownHostError

        try:
            return ask()
        except FarwireError:
            raise
        except RPCError as error:
            tags = {one.tag for one in getattr(error, "errors", [error])}
            if tags & _PASSING:
                raise no_answer(self._element, "somebody else is changing it") from None
            raise refused(self._element, ", ".join(sorted(str(tag) for tag in tags))) from None
        except SSHUnknownHostError:
            raise unusable("host_key", "another key was shown at its address") from None
        except AuthenticationError:
            raise unusable("credentials", "it does not let us in with them") from None
        except (NCClientError, OSError, EOFError) as error:
            raise no_answer(self._element, type(error).__name__) from None


def _connected(element: Element, settings: Settings, wait_s: float) -> Any:
    from ncclient import manager
    from ncclient.operations import RaiseMode

    hush("ncclient", "paramiko")
    host, port = host_and_port(element, PORT)
    by_key = settings.login == "key"
    found = manager.connect_ssh(
        host=host,
        port=port,
        username=settings.user,
        password=None if by_key else secret_of(element),
        key_filename=str(secret_path(element)) if by_key else None,
        hostkey_b64=settings.host_key.split()[-1 if " " not in settings.host_key else 1],
        allow_agent=False,
        look_for_keys=False,
        timeout=wait_s,
        manager_params={"timeout": wait_s},
    )
    found.raise_mode = RaiseMode.ERRORS
    return found
