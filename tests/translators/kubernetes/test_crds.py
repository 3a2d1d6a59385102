from typing import Any

import msgspec
import pytest

from translators.kubernetes.crds import crds
from translators.kubernetes.objects import (
    AppChange,
    AppRecord,
    AppSpec,
    AppStatus,
    Begun,
    ChangeSpec,
    ChangeStatus,
    Step,
    StepAction,
)


def schema(kind: str, part: str) -> dict[str, Any]:
    crd = next(c for c in crds() if c["spec"]["names"]["kind"] == kind)
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return found


def fits(value: Any, wanted: Any) -> bool:
    """Whether nothing of `value` would be dropped or refused."""
    if isinstance(value, dict):
        if wanted.get("x-kubernetes-preserve-unknown-fields"):
            return True
        extra = wanted.get("additionalProperties")
        known = wanted.get("properties", {})
        return bool(wanted["type"] == "object") and all(
            (k in known or extra is not None) and fits(v, known.get(k) or extra) for k, v in value.items()
        )
    if isinstance(value, list):
        return bool(wanted["type"] == "array") and all(fits(item, wanted["items"]) for item in value)
    kinds = {str: "string", bool: "boolean", int: "integer"}
    return bool(wanted["type"] == kinds[type(value)]) and value in wanted.get("enum", [value])


RECORD = AppRecord(definition="{}", version="v", lastScalingAt="v", lastConfigChangeAt="v")


@pytest.mark.parametrize(
    ("kind", "part", "value"),
    [
        ("MarathonApp", "spec", AppSpec(id="/a", sequence=3, record=RECORD, versions=["v"])),
        ("MarathonApp", "status", AppStatus(lastTaskFailure={"appId": "/a", "slaveId": None})),
        (
            "MarathonDeployment",
            "spec",
            ChangeSpec(
                id="d",
                version="v",
                force=True,
                apps=msgspec.json.encode([AppChange(id="/a", after=RECORD)]).decode(),
                steps=[Step(actions=[StepAction(action="ScaleApplication", app="/a")])],
                cancels=["c"],
                kill=["u"],
                origin={"uri": "/v2/apps"},
            ),
        ),
        (
            "MarathonDeployment",
            "status",
            ChangeStatus(
                phase="Running",
                reason="r",
                applied=True,
                currentStep=1,
                present=["u"],
                begun={"/a": Begun(old=1, kill=1, cap=2)},
                finishedAt="t",
            ),
        ),
    ],
)
def test_the_schemas_keep_everything_that_we_write(kind: str, part: str, value: Any) -> None:
    assert fits(msgspec.to_builtins(value), schema(kind, part))


@pytest.mark.parametrize(
    ("kind", "part", "struct"),
    [
        ("MarathonApp", "spec", AppSpec),
        ("MarathonApp", "status", AppStatus),
        ("MarathonDeployment", "spec", ChangeSpec),
        ("MarathonDeployment", "status", ChangeStatus),
    ],
)
def test_no_declared_field_would_be_dropped_by_the_server(kind: str, part: str, struct: type[msgspec.Struct]) -> None:
    assert set(schema(kind, part)["properties"]) == set(struct.__struct_fields__)


def test_there_are_four_with_status_and_columns() -> None:
    made = {crd["metadata"]["name"]: crd["spec"]["versions"][0] for crd in crds()}
    assert set(made) == {f"marathon{kind}.marathon-gateway.io" for kind in ("apps", "pods", "groups", "deployments")}
    assert all(version["subresources"] == {"status": {}} for version in made.values())
    assert all(version["additionalPrinterColumns"] for version in made.values())
