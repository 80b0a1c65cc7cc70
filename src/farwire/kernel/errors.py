"""The seven kinds of error. A context subclasses one; each protocol maps kind and code to its answer."""

from __future__ import annotations

from typing import ClassVar


class FarwireError(Exception):
    """An error that a client can act on.

    ``code`` is stable (``context.reason``). ``field``, ``value`` and ``fix`` say what was wrong and what to do.
    """

    default_code: ClassVar[str] = "kernel.error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        value: object = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field
        self.value = value
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.message]
        if self.field is not None:
            shown = "" if self.value is None else f" = {str(self.value)[:200]!r}"
            parts.append(f"[{self.field}{shown}]")
        if self.fix:
            parts.append(f"Fix: {self.fix}")
        return " ".join(parts)


class NotFound(FarwireError):
    """The thing does not exist, or not for this tenant."""

    default_code = "kernel.not_found"


class Invalid(FarwireError):
    """The input has the wrong shape or value; sending it again unchanged fails again."""

    default_code = "kernel.invalid"


class Conflict(FarwireError):
    """The input is well formed but contradicts the present state."""

    default_code = "kernel.conflict"


class Forbidden(FarwireError):
    """The caller is known and may not do this."""

    default_code = "kernel.forbidden"


class Exhausted(FarwireError):
    """A bound is reached: quota, balance, pool, disk, rate limit."""

    default_code = "kernel.exhausted"


class Unavailable(FarwireError):
    """Something that Farwire depends on does not answer; trying again later can work."""

    default_code = "kernel.unavailable"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        value: object = None,
        fix: str | None = None,
        retry_after_s: int = 5,
    ) -> None:
        super().__init__(message, code=code, field=field, value=value, fix=fix)
        self.retry_after_s = retry_after_s


class Defect(FarwireError):
    """Farwire itself is wrong. Nothing that a client sends can cause this on purpose."""

    default_code = "kernel.defect"


def check(condition: object, code: str, message: str = "an internal check failed") -> None:
    """Raise ``Defect`` with ``code`` unless ``condition`` holds. Unlike ``assert`` it is never compiled away."""
    if not condition:
        raise Defect(message, code=code)
