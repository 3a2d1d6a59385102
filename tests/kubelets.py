"""What a kubelet writes of a container that ends, for clusters whose pods run nothing."""

from datetime import UTC, datetime
from typing import Any

from tests.installations import Installation
from tests.processes import eventually

__all__ = ["crash", "finish"]


def crash(installation: Installation, app_id: str, *, exit_code: int, reason: str = "Error") -> None:
    """The app's first running pod: its container has ended, and waits for its second start."""
    pod = _running(installation, app_id)
    status = dict(pod["status"]["containerStatuses"][0])
    ended = _ended(status, exit_code, reason)
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}
    changed = {"ready": False, "started": False, "restartCount": status.get("restartCount", 0) + 1}
    status |= {**changed, "state": {"waiting": waiting, "running": None}, "lastState": ended}
    conditions = [
        {**condition, "status": "False"} if condition["type"] in ("Ready", "ContainersReady") else condition
        for condition in pod["status"]["conditions"]
    ]
    installation.set_status(pod, {"containerStatuses": [status], "conditions": conditions})


def finish(installation: Installation, app_id: str, *, exit_code: int, reason: str = "Error") -> None:
    """The app's first running pod as a whole has ended."""
    pod = _running(installation, app_id)
    status = dict(pod["status"]["containerStatuses"][0])
    status |= {"ready": False, "started": False, "state": _ended(status, exit_code, reason)}
    phase = "Failed" if exit_code else "Succeeded"
    installation.set_status(pod, {"phase": phase, "containerStatuses": [status]})


def _running(installation: Installation, app_id: str) -> dict[str, Any]:
    def pods() -> list[dict[str, Any]]:
        return [pod for pod in installation.pods(app_id) if pod["status"].get("phase") == "Running"]

    return eventually(pods)[0]


def _ended(status: dict[str, Any], exit_code: int, reason: str) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    began = status["state"].get("running", {}).get("startedAt", now)
    return {"terminated": {"exitCode": exit_code, "reason": reason, "startedAt": began, "finishedAt": now}}
