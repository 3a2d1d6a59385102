"""The CustomResourceDefinitions of group `marathon-gateway.io`: what the API server checks and prints of our objects.

Definitions are text fields (see `objects`): the API server keeps their bytes as they are. `status` is a subresource, so
the writer of a definition and the reporter of its state never overwrite each other.
"""

from collections.abc import Mapping
from typing import Any

from translators.kubernetes.objects import GROUP, VERSION

__all__ = ["crds"]

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer", "format": "int64"}
_FLAG: Schema = {"type": "boolean"}
_FREE: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _object(properties: Mapping[str, Schema], description: str = "") -> Schema:
    return {"type": "object", **({"description": description} if description else {}), "properties": dict(properties)}


def _list(items: Schema, description: str = "") -> Schema:
    return {
        "type": "array",
        **({"description": description} if description else {}),
        "items": items,
        "x-kubernetes-list-type": "atomic",
    }


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


_RECORD = _object(
    {
        "definition": _said(_TEXT, "The definition in Marathon's JSON, as text."),
        "version": _said(_TEXT, "When the definition last changed."),
        "lastScalingAt": _said(_TEXT, "When the number of instances last changed."),
        "lastConfigChangeAt": _said(_TEXT, "When anything but the number of instances last changed."),
    },
    "One version of the definition.",
)

_DEFINED = _object(
    {
        "id": _said(_TEXT, "The id in Marathon, e.g. /prod/web."),
        "sequence": _said(_NUMBER, "The number of the change that wrote this record."),
        "record": _RECORD,
        "versions": _list(_TEXT, "All versions, oldest first; each has a ControllerRevision."),
    }
)

_DEFINED_STATUS = _object({"lastTaskFailure": _said(_FREE, "How the last task failed.")})

_GROUP = _object(
    {
        "id": _said(_TEXT, "The id of the group, e.g. /prod."),
        "sequence": _said(_NUMBER, "The number of the change that wrote this record."),
        "record": _object(
            {
                "dependencies": _list(_TEXT, "Ids of apps and groups that must run first."),
                "enforceRole": _said(_FLAG, "Whether apps in the group must use its role."),
            },
            "What the group has beyond what is in it.",
        ),
    }
)

_STEP = _object({"actions": _list(_object({"action": _TEXT, "app": _TEXT}))})

_CHANGE = _object(
    {
        "id": _said(_TEXT, "The id of the deployment in Marathon's API."),
        "version": _said(_TEXT, "The version that the change gives to what it touches."),
        "force": _said(_FLAG, "Whether the change ended others that were in its way."),
        "apps": _said(_TEXT, "JSON text of what the change does to each app: before and after."),
        "groups": _said(_TEXT, "JSON text of what the change does to each group: before and after."),
        "steps": _list(_STEP, "What is to be done, in order."),
        "cancels": _list(_TEXT, "Ids of the deployments that this change ends."),
        "kill": _list(_TEXT, "Uids of the pods that were named to be killed."),
        "origin": _said(
            {"type": "object", "additionalProperties": _TEXT}, "Where the change came from, for the event stream."
        ),
    }
)

_BEGUN = _object({"old": _NUMBER, "kill": _NUMBER, "cap": _NUMBER})

_CHANGE_STATUS = _object(
    {
        "phase": _said({"type": "string", "enum": ["", "Running", "Succeeded", "Failed"]}, "How far the change is."),
        "reason": _said(_TEXT, "Why it failed."),
        "applied": _said(_FLAG, "Whether the definitions of all its apps carry the change."),
        "currentStep": _said(_NUMBER, "The step it is at, from 1; 0 before the first."),
        "present": _list(_TEXT, "Uids of the pods that were there when the step began."),
        "begun": _said(
            {"type": "object", "additionalProperties": _BEGUN}, "How each rolling replace of the step began, by app."
        ),
        "finishedAt": _said(_TEXT, "When it succeeded or failed."),
    }
)


def crds() -> list[dict[str, Any]]:
    """All of them, ready to be applied."""
    age = _column("Age", ".metadata.creationTimestamp", "date")
    defined = [_column("Id", ".spec.id"), _column("Version", ".spec.record.version"), age]
    change = [
        _column("Deployment", ".spec.id"),
        _column("Phase", ".status.phase"),
        _column("Step", ".status.currentStep", "integer"),
        age,
    ]
    return [
        _crd("MarathonApp", "mapp", _DEFINED, _DEFINED_STATUS, defined),
        _crd("MarathonPod", "mpod", _DEFINED, _DEFINED_STATUS, defined),
        _crd("MarathonGroup", "mgroup", _GROUP, _object({}), [_column("Id", ".spec.id"), age]),
        _crd("MarathonDeployment", "mdeploy", _CHANGE, _CHANGE_STATUS, change),
    ]


def _column(name: str, path: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path}


def _crd(kind: str, short: str, spec: Schema, status: Schema, columns: list[dict[str, Any]]) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            "labels": {"app.kubernetes.io/managed-by": "marathon-gateway"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["marathon"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _root(spec, status)},
                }
            ],
        },
    }


def _root(spec: Schema, status: Schema) -> Schema:
    return _object({"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}, "spec": spec, "status": status})
