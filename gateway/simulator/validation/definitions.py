"""CustomResourceDefinitions: one storage version, a structural schema, a name that fits."""

from typing import Any

from gateway.simulator.errors import Cause

__all__ = ["causes"]

Obj = dict[str, Any]

_TYPES = ("array", "boolean", "integer", "number", "object", "string")


def causes(crd: Obj) -> list[Cause]:
    spec = crd.get("spec") or {}
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    found: list[Cause] = [
        ("FieldValueRequired", f"spec.{path}", "Required value")
        for path, value in (
            ("group", spec.get("group")),
            ("names.plural", names.get("plural")),
            ("names.kind", names.get("kind")),
            ("versions", versions),
        )
        if not value
    ]
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        text = f'Unsupported value: "{spec.get("scope", "")}": supported values: "Cluster", "Namespaced"'
        found.append(("FieldValueNotSupported", "spec.scope", text))
    if found:
        return found
    wanted = f"{names['plural']}.{spec['group']}"
    if crd["metadata"]["name"] != wanted:
        text = f'Invalid value: "{crd["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
        found.append(("FieldValueInvalid", "metadata.name", text))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "Invalid value: must have exactly one version marked as storage version"
        found.append(("FieldValueInvalid", "spec.versions", text))
    for i, version in enumerate(versions):
        found += _schema_of(version, f"spec.versions[{i}].schema.openAPIV3Schema")
    return found


def _schema_of(version: Obj, path: str) -> list[Cause]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not isinstance(schema, dict):
        return [("FieldValueRequired", path, "Required value: schemas are required")]
    found = _structural(schema, path)
    if schema.get("type") != "object":
        found.append(
            ("FieldValueInvalid", f"{path}.type", f'Invalid value: "{schema.get("type", "")}": must be object')
        )
    return found


def _structural(schema: Obj, path: str) -> list[Cause]:
    free = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string")
    wanted = schema.get("type")
    if wanted is None and not free:
        return [("FieldValueRequired", f"{path}.type", "Required value: must not be empty for specified object fields")]
    if wanted is not None and wanted not in _TYPES:
        supported = ", ".join(f'"{name}"' for name in _TYPES)
        return [
            ("FieldValueNotSupported", f"{path}.type", f'Unsupported value: "{wanted}": supported values: {supported}')
        ]
    found: list[Cause] = []
    for key, inner in (schema.get("properties") or {}).items():
        found += _structural(inner, f"{path}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += _structural(schema[key], f"{path}.{key}")
    if wanted == "array" and "items" not in schema and not free:
        found.append(("FieldValueRequired", f"{path}.items", "Required value: must be specified"))
    return found
