"""Why an engine did not do what was asked.

EngineError
├── UnknownApp           no such app
├── UnknownGroup         no such group
├── UnknownVersion       the app has no such version
├── UnknownTask          no such task
├── UnknownDeployment    no such deployment
├── AppExists            POST of an id that is taken
├── AppLocked            open deployments hold the app; `deployments` are their ids
├── TooManyDeployments   the limit of running deployments is reached
└── EngineUnavailable    the cluster cannot be reached; nothing was changed, or nothing is known
"""

from collections.abc import Sequence

__all__ = [
    "AppExists",
    "AppLocked",
    "EngineError",
    "EngineUnavailable",
    "TooManyDeployments",
    "UnknownApp",
    "UnknownDeployment",
    "UnknownGroup",
    "UnknownTask",
    "UnknownVersion",
]


class EngineError(Exception):
    pass


class UnknownApp(EngineError):
    def __init__(self, app_id: str) -> None:
        super().__init__(f"App '{app_id}' does not exist")
        self.app_id = app_id


class UnknownGroup(EngineError):
    def __init__(self, group_id: str) -> None:
        super().__init__(f"Group '{group_id}' does not exist")
        self.group_id = group_id


class UnknownVersion(EngineError):
    def __init__(self, app_id: str, version: str) -> None:
        super().__init__(f"App '{app_id}' does not exist in version '{version}'")
        self.app_id = app_id
        self.version = version


class UnknownTask(EngineError):
    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task '{task_id}' does not exist")
        self.task_id = task_id


class UnknownDeployment(EngineError):
    def __init__(self, deployment_id: str) -> None:
        super().__init__(f"DeploymentPlan {deployment_id} does not exist")
        self.deployment_id = deployment_id


class AppExists(EngineError):
    def __init__(self, app_id: str) -> None:
        super().__init__(f"An app with id [{app_id}] already exists.")
        self.app_id = app_id


class AppLocked(EngineError):
    def __init__(self, deployments: Sequence[str]) -> None:
        super().__init__("App is locked by one or more deployments")
        self.deployments = tuple(deployments)


class TooManyDeployments(EngineError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} deployments are running already")
        self.limit = limit


class EngineUnavailable(EngineError):
    pass
