"""The four ways to change an object: merge patch, JSON patch, strategic merge patch, apply.

Strategic merging and apply know the keys by which lists of built-in kinds are merged. Apply keeps, per field manager, the
set of leaf paths it sent; that is enough for conflicts, `force`, and the removal of what a manager no longer sends.
"""

import copy
from typing import Any

import jsonpatch
from jsonpointer import JsonPointerException

from gateway.simulator.errors import ApiError, bad_request

__all__ = ["MANAGERS", "apply", "json_patch", "merge_patch", "strategic_patch"]

Obj = dict[str, Any]
MANAGERS = "managedFields"

# List fields of built-in kinds that merge by a key; others are replaced whole.
_MERGE_KEYS = {
    "containers": ("name",), "initContainers": ("name",), "env": ("name",), "volumes": ("name",), "conditions": ("type",),
    "ports": ("containerPort", "protocol"), "volumeMounts": ("mountPath",), "tolerations": (), "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",), "hostAliases": ("ip",), "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}  # fmt: skip


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def json_patch(target: Obj, patch: Any) -> Obj:
    """RFC 6902. A patch that does not fit is 422, a patch that is none 400."""
    if not isinstance(patch, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        patched: Any = jsonpatch.JsonPatch(patch).apply(copy.deepcopy(target))
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(str(error)) from None
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:
        raise ApiError(
            422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
        ) from None
    return dict(patched)


def strategic_patch(target: Any, patch: Any, field: str = "") -> Any:
    if isinstance(patch, dict):
        out = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            if key.startswith("$"):
                continue
            if value is None:
                out.pop(key, None)
            else:
                out[key] = strategic_patch(out.get(key), value, key)
        return out
    keys = _MERGE_KEYS.get(field)
    if isinstance(patch, list) and keys and all(isinstance(item, dict) for item in patch):
        return _merged_list(target if isinstance(target, list) else [], patch, keys)
    return copy.deepcopy(patch)


def _merged_list(target: list[Any], patch: list[Obj], keys: tuple[str, ...]) -> list[Any]:
    out = list(target)
    for item in patch:
        index = next((i for i, known in enumerate(out) if all(known.get(k) == item.get(k) for k in keys)), None)
        if item.get("$patch") == "delete":
            if index is not None:
                out.pop(index)
        elif index is None:
            out.append(copy.deepcopy(item))
        else:
            out[index] = strategic_patch(out[index], item)
    return out


def apply(target: Obj | None, intent: Obj, *, manager: str, force: bool, now: str, subresource: str = "") -> Obj:
    """The object after `manager` says what it wants. Raises ApiError (409) if another manager wants otherwise."""
    base: Obj = target or {}
    owners = _owners(base)
    wanted = _leaves(_content(intent))
    conflicts = [
        (other, path)
        for other, paths in owners.items()
        if other != manager
        for path in paths
        if path in wanted and _value(base, path) != wanted[path]
    ]
    if conflicts and not force:
        raise _conflict(conflicts)
    merged = strategic_patch(base, _content(intent))
    others = {path for other, paths in owners.items() if other != manager for path in paths}
    for path in owners.get(manager, set()) - wanted.keys() - others:
        merged = _without(merged, path)
    owners[manager] = set(wanted)
    for other, path in conflicts:
        owners[other].discard(path)
    meta = {**base.get("metadata", {}), **merged.get("metadata", {})}
    meta[MANAGERS] = _managed(base, owners, manager, now, str(intent.get("apiVersion", "")), subresource)
    return {**merged, "apiVersion": intent.get("apiVersion"), "kind": intent.get("kind"), "metadata": meta}


Path = tuple[str, ...]


def _content(intent: Obj) -> Obj:
    meta = {k: v for k, v in (intent.get("metadata") or {}).items() if k not in (MANAGERS, "resourceVersion", "uid")}
    return {**{k: v for k, v in intent.items() if k not in ("apiVersion", "kind", "metadata")}, "metadata": meta}


def _leaves(node: Any, path: Path = (), field: str = "") -> dict[Path, Any]:
    keys = _MERGE_KEYS.get(field)
    if isinstance(node, dict) and node:
        out: dict[Path, Any] = {}
        for key, value in node.items():
            if path == ("metadata",) and key in ("name", "namespace"):
                continue
            out |= _leaves(value, (*path, f"f:{key}"), key)
        return out
    if isinstance(node, list) and keys and all(isinstance(item, dict) for item in node):
        out = {}
        for item in node:
            name = ",".join(f"{k}={item.get(k)}" for k in keys)
            out |= _leaves(item, (*path, f"k:{name}"))
        return out
    return {path: node} if path else {}


def _value(obj: Any, path: Path) -> Any:
    for step in path:
        found = _step(obj, step)
        if found is None:
            return None
        obj = found[1]
    return obj


def _step(obj: Any, step: str) -> tuple[Any, Any] | None:
    name = step[2:]
    if step.startswith("f:"):
        return (name, obj[name]) if isinstance(obj, dict) and name in obj else None
    for i, item in enumerate(obj if isinstance(obj, list) else ()):
        if isinstance(item, dict) and all(
            str(item.get(k)) == v for k, _, v in (p.partition("=") for p in name.split(","))
        ):
            return (i, item)
    return None


def _without(obj: Any, path: Path) -> Any:
    """A copy without the leaf, and without what is empty because of that."""
    found = _step(obj, path[0])
    if found is None:
        return obj
    key, inner = found
    out: Any = dict(obj) if isinstance(obj, dict) else list(obj)
    if len(path) == 1:
        out.pop(key)
        return out
    reduced = _without(inner, path[1:])
    if reduced in ({}, []) or (path[0].startswith("k:") and set(reduced) <= set(_keys_of(path[0]))):
        out.pop(key)
    else:
        out[key] = reduced
    return out


def _keys_of(step: str) -> list[str]:
    return [part.partition("=")[0] for part in step[2:].split(",")]


def _owners(obj: Obj) -> dict[str, set[Path]]:
    out: dict[str, set[Path]] = {}
    for entry in (obj.get("metadata") or {}).get(MANAGERS) or ():
        if entry.get("operation") == "Apply":
            out[entry["manager"]] = set(_paths(entry.get("fieldsV1") or {}))
    return out


def _paths(fields: Obj, path: Path = ()) -> list[Path]:
    out: list[Path] = []
    for key, inner in fields.items():
        out += _paths(inner, (*path, key)) if inner else [(*path, key)]
    return out


def _managed(
    base: Obj, owners: dict[str, set[Path]], manager: str, now: str, version: str, subresource: str
) -> list[Obj]:
    kept = {e["manager"]: e for e in (base.get("metadata") or {}).get(MANAGERS) or () if e.get("operation") == "Apply"}
    out = []
    for name, paths in owners.items():
        if not paths:
            continue
        fields: Obj = {}
        for path in sorted(paths):
            node = fields
            for step in path:
                node = node.setdefault(step, {})
        known = kept.get(name)
        moment = known["time"] if known and name != manager else now
        if known and name == manager and known.get("fieldsV1") == fields:
            moment = known["time"]
        entry = {
            "manager": name,
            "operation": "Apply",
            "apiVersion": version,
            "time": moment,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        out.append({**entry, **({"subresource": subresource} if subresource else {})})
    return out


def _conflict(conflicts: list[tuple[str, Path]]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{manager}"',
            "field": "." + ".".join(s[2:] for s in path),
        }
        for manager, path in conflicts
    ]
    first = conflicts[0][0]
    text = f'Apply failed with {len(conflicts)} conflict{"s" if len(conflicts) > 1 else ""}: conflict with "{first}": {causes[0]["field"]}'
    return ApiError(409, "Conflict", text, {"causes": causes})
