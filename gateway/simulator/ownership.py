"""Who manages which field: `metadata.managedFields`, and what apply makes of it.

A field is a path of steps as FieldsV1 writes them: `f:name`, `k:{"name":"app"}`, `v:"x"`. What is one field and what is many
follows from the schema: atomic lists and maps are one, keyed lists are one per item and member, unknown content one per key.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.simulator.errors import ApiError
from gateway.simulator.schemas import FREE_ITEM, item_of, member_of

__all__ = ["MANAGERS", "Claim", "Path", "applied", "claims_of", "entries", "fields", "step_of", "written"]

Obj = dict[str, Any]
Schema = dict[str, Any]
Path = tuple[str, ...]

MANAGERS = "managedFields"
_CONTAINER = object()
_NOT_MANAGED = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink", MANAGERS}
    | {"deletionTimestamp", "deletionGracePeriodSeconds"}
)


class Claim(msgspec.Struct):
    """The fields of one manager, by one way of writing."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""
    time: str = ""
    paths: set[Path] = msgspec.field(default_factory=set)

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.manager, self.operation, self.subresource)


# Go's structs that are no pointers: an empty object has them already, so that nobody adds them.
_EMBEDDED = frozenset(
    f"f:{name}"
    for name in (
        "metadata",
        "spec",
        "status",
        "strategy",
        "template",
        "involvedObject",
        "source",
        "roleRef",
        "containers",
    )
)


def fields(
    obj: Obj, schema: Schema, *, subresource: str = "", status: bool = True, added: bool = False, custom: bool = False
) -> dict[Path, Any]:
    """Every field that somebody may manage, with its value; the main resource has no status if that is a subresource.

    With `added` also what an update adds when it brings the first member: the maps and lists themselves.
    """
    content = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    if subresource == "status":
        content = {key: value for key, value in content.items() if key == "status"}
    elif status:
        content.pop("status", None)
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _NOT_MANAGED}
    if meta and not subresource:
        content["metadata"] = meta
    found = dict(_walk(content, schema, (), added))
    embedded = {"f:metadata"} if custom else _EMBEDDED
    return {path: what for path, what in found.items() if what is not _CONTAINER or not embedded.issuperset(path)}


def _walk(value: Any, schema: Schema, path: Path, added: bool) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        known = schema.get("properties") or {}
        for key, inner in value.items():
            step = (*path, f"f:{key}")
            if inner is None or inner == {}:
                yield step, inner
                continue
            if (added or key not in known) and isinstance(inner, dict | list):
                yield step, _CONTAINER
            yield from _walk(inner, member_of(schema, key) or FREE_ITEM, step, added)
    elif isinstance(value, list) and _is_granular(value, schema):
        for item in value:
            step = (*path, step_of(item, schema))
            yield step, _CONTAINER
            if isinstance(item, dict):
                yield from _walk(item, item_of(schema), step, added)
    elif path:
        yield path, value


def _is_granular(value: list[Any], schema: Schema) -> bool:
    kind = schema.get("x-kubernetes-list-type")
    if kind == "map":
        return all(isinstance(item, dict) for item in value)
    return kind == "set"


def step_of(item: Any, schema: Schema) -> str:
    if schema.get("x-kubernetes-list-type") == "set":
        return "v:" + msgspec.json.encode(item).decode()
    known = item_of(schema).get("properties") or {}
    keys = {}
    for key in sorted(schema["x-kubernetes-list-map-keys"]):
        value = item.get(key, known.get(key, {}).get("x-key-default"))
        if value is not None:
            keys[key] = value
    return "k:" + msgspec.json.encode(keys).decode()


def claims_of(obj: Obj | None) -> list[Claim]:
    """What `metadata.managedFields` says."""
    return [
        Claim(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
            entry.get("time", ""),
            set(_paths(entry.get("fieldsV1") or {}, ())),
        )
        for entry in ((obj or {}).get("metadata") or {}).get(MANAGERS) or ()
    ]


def _paths(tree: Obj, path: Path) -> Iterator[Path]:
    for step, inner in tree.items():
        if step == ".":
            yield path
        elif inner:
            yield from _paths(inner, (*path, step))
        else:
            yield (*path, step)


def entries(claims: list[Claim]) -> list[Obj]:
    """`metadata.managedFields` for these claims, in a real server's order; a claim of nothing vanishes."""
    ordered = sorted(claims, key=lambda c: (c.operation, c.time, c.manager, c.api_version, c.subresource))
    return [_entry(claim) for claim in ordered if claim.paths]


def _entry(claim: Claim) -> Obj:
    tree: Obj = {}
    for path in sorted(claim.paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    for path in claim.paths:
        node = tree
        for step in path:
            node = node[step]
        if node:
            node["."] = {}
    entry = {
        "manager": claim.manager,
        "operation": claim.operation,
        "apiVersion": claim.api_version,
        "time": claim.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": _ordered(tree),
    }
    if not claim.time:
        del entry["time"]
    return {**entry, "subresource": claim.subresource} if claim.subresource else entry


def _ordered(tree: Obj) -> Obj:
    return {step: _ordered(tree[step]) for step in sorted(tree)}


def written(claims: list[Claim], claim: Claim, old: dict[Path, Any], new: dict[Path, Any]) -> list[Claim]:
    """After an update: the writer manages what it changed, and nobody what is gone."""
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    gone = old.keys() - new.keys()
    out = [_less(known, gone if known.key == claim.key else gone | changed) for known in claims]
    return _joined(out, claim, changed)


def _less(claim: Claim, paths: set[Path]) -> Claim:
    left = claim.paths - paths
    return claim if left == claim.paths else msgspec.structs.replace(claim, paths=left)


def _joined(claims: list[Claim], claim: Claim, paths: set[Path]) -> list[Claim]:
    for i, known in enumerate(claims):
        if known.key == claim.key:
            if not paths <= known.paths:
                claims[i] = msgspec.structs.replace(claim, paths=known.paths | paths)
            return claims
    return [*claims, msgspec.structs.replace(claim, paths=paths)]


def applied(
    claims: list[Claim], claim: Claim, wanted: dict[Path, Any], live: dict[Path, Any], *, force: bool
) -> tuple[list[Claim], set[Path]]:
    """After an apply: the claims, and the fields to remove, which the manager dropped and nobody else has.

    Raises ApiError (409) if another manager wants a field otherwise and `force` is not set.
    """
    differing = {p for p, v in wanted.items() if p in live and v is not _CONTAINER and live[p] != v}
    taken = [(known, p) for known in claims if known.key != claim.key for p in sorted(known.paths & differing)]
    if taken and not force:
        raise _conflict(taken)
    out = [_less(known, differing) if known.key != claim.key else known for known in claims]
    before = next((known for known in out if known.key == claim.key), None)
    others = {path for known in out if known.key != claim.key for path in known.paths}
    dropped = (before.paths if before else set()) - wanted.keys() - others
    mine = msgspec.structs.replace(claim, paths=set(wanted))
    if before is not None and before.paths == mine.paths:
        mine = before
    return [*(known for known in out if known.key != claim.key), mine], dropped


def _conflict(taken: list[tuple[Claim, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_who(claim)}", "field": _dotted(path)}
        for claim, path in taken
    ]
    if len(taken) == 1:
        text = f"Apply failed with 1 conflict: conflict with {_who(taken[0][0])}: {_dotted(taken[0][1])}"
        return ApiError(409, "Conflict", text, {"causes": causes})
    lines: dict[str, list[str]] = {}
    for claim, path in taken:
        lines.setdefault(_who(claim), []).append(f"- {_dotted(path)}")
    parts = [f"conflicts with {who}:\n" + "\n".join(paths) for who, paths in lines.items()]
    return ApiError(
        409, "Conflict", f"Apply failed with {len(taken)} conflicts: " + "\n".join(parts), {"causes": causes}
    )


def _who(claim: Claim) -> str:
    text = f'"{claim.manager}"'
    if claim.subresource:
        text += f' with subresource "{claim.subresource}"'
    return f"{text} using {claim.api_version}" if claim.operation == "Update" else text


def _dotted(path: Path) -> str:
    out = ""
    for step in path:
        if step.startswith("f:"):
            out += f".{step[2:]}"
        elif step.startswith("k:"):
            keys = msgspec.json.decode(step[2:])
            out += "[" + ",".join(f"{k}={msgspec.json.encode(v).decode()}" for k, v in keys.items()) + "]"
        else:
            out += f"[={step[2:]}]"
    return out
