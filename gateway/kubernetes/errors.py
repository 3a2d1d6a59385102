"""What the API server answered, as exceptions.

KubernetesError
├── NotFound           404
├── AlreadyExists      409, reason AlreadyExists
├── Conflict           409, any other
├── Gone               410, as a status or as an ERROR event of a watch
├── Invalid            400, 405, 413, 415, 422: the request itself is at fault, a retry is useless
├── Forbidden          401, 403
├── TooManyRequests    429; `retry_after_s` as the server asked
└── Unavailable        5xx, no connection, no answer in time: nothing is known about the outcome of a write
"""

__all__ = [
    "AlreadyExists",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "KubernetesError",
    "NotFound",
    "TooManyRequests",
    "Unavailable",
]


class KubernetesError(Exception):
    """`status` is the HTTP status (0: no answer), `reason` the Status' reason, which may be empty."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason


class NotFound(KubernetesError):
    pass


class AlreadyExists(KubernetesError):
    pass


class Conflict(KubernetesError):
    pass


class Gone(KubernetesError):
    pass


class Invalid(KubernetesError):
    pass


class Forbidden(KubernetesError):
    pass


class TooManyRequests(KubernetesError):
    def __init__(self, message: str, *, status: int = 429, reason: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after_s = retry_after_s


class Unavailable(KubernetesError):
    pass
