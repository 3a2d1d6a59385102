"""Why a definition was not accepted, in Marathon's own status codes and words.

DefinitionError           what the user sent cannot be used; carries the whole answer
├── MalformedJson         400: not JSON at all; `details` is one string
├── InvalidJson           422: a value has the wrong type, bound or spelling ("Invalid JSON")
├── InvalidDefinition     422: a rule is broken ("Object is not valid")
└── BadRequest            4xx with a message only
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BadRequest", "DefinitionError", "Detail", "InvalidDefinition", "InvalidJson", "MalformedJson"]


@dataclass(frozen=True, slots=True)
class Detail:
    """One broken path of a definition, e.g. `/healthChecks(0)`, and what is wrong with it."""

    path: str
    errors: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        return {"path": self.path, "errors": list(self.errors)}


class DefinitionError(Exception):
    """What the user sent cannot be used. `status` and `body()` are Marathon's answer."""

    status = 422

    def __init__(self, message: str, details: Sequence[Detail] | str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        if self.details is None:
            return {"message": self.message}
        if isinstance(self.details, str):
            return {"message": self.message, "details": self.details}
        return {"message": self.message, "details": [detail.body() for detail in self.details]}


class MalformedJson(DefinitionError):
    """The body is not JSON (400)."""

    status = 400


class InvalidJson(DefinitionError):
    """A value has the wrong type, bound or spelling."""

    def __init__(self, details: Sequence[Detail]) -> None:
        super().__init__("Invalid JSON", details)


class InvalidDefinition(DefinitionError):
    """The definition breaks one of Marathon's rules, or asks for what this platform cannot do."""

    def __init__(self, details: Sequence[Detail]) -> None:
        super().__init__("Object is not valid", details)


class BadRequest(DefinitionError):
    """The request as a whole makes no sense; the answer has a message and nothing else."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
