"""The ways to change an object: merge patch, JSON patch, strategic merge patch, and merging what is applied.

Lists are merged by the keys that the schema declares; others are replaced whole.
"""

import copy
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import jsonpatch
import msgspec
from jsonpointer import JsonPointerException

from gateway.simulator.errors import ApiError, bad_request, too_large
from gateway.simulator.gojson import go_type
from gateway.simulator.ownership import Path, step_of
from gateway.simulator.schemas import FREE_ITEM, item_of, member_of

__all__ = ["apply_merge", "json_patch", "merge_patch", "strategic_patch", "without"]

Obj = dict[str, Any]
Schema = dict[str, Any]

_MAX_OPERATIONS = 10_000


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def json_patch(target: Obj, patch: Any) -> Obj:
    """RFC 6902. A patch that does not fit is 422 without a word of why, a patch that is none 400."""
    if not isinstance(patch, list):
        shown = "object" if isinstance(patch, dict) else type(patch).__name__
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {shown} into Go value of type []handlers.jsonPatchOp"
        )
    if wrong := next((step for step in patch if not isinstance(step, dict)), None):
        text = (
            f"error decoding patch: json: cannot unmarshal {go_type(wrong)} into Go value of type handlers.jsonPatchOp"
        )
        raise bad_request(text)
    if len(patch) > _MAX_OPERATIONS:
        raise too_large(f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(patch)}")
    try:
        patched: Any = jsonpatch.JsonPatch(patch).apply(copy.deepcopy(target), in_place=True)
    except (jsonpatch.InvalidJsonPatch, jsonpatch.JsonPatchException, JsonPointerException, TypeError):
        text = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", text, {}) from None
    return dict(patched)


def strategic_patch(target: Any, patch: Any, schema: Schema) -> Any:
    if isinstance(patch, list):
        return _strategic_list(target if isinstance(target, list) else [], patch, schema)
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    out = dict(target) if isinstance(target, dict) else {}
    if isinstance(patch.get("$retainKeys"), list):
        out = {key: value for key, value in out.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            out[name] = [item for item in out.get(name) or () if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            out.pop(key, None)
        else:
            out[key] = strategic_patch(out.get(key), value, member_of(schema, key) or FREE_ITEM)
    return out


def _strategic_list(target: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    if schema.get("x-kubernetes-list-type") == "set":
        return [*target, *(item for item in patch if item not in target)]
    if not keys or not all(isinstance(item, dict) for item in patch):
        return patch
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    out = list(target)
    for item in patch:
        index = _index(out, item, keys)
        if item.get("$patch") == "delete":
            if index is not None:
                out.pop(index)
        elif index is None:
            out.append(item)
        else:
            out[index] = strategic_patch(out[index], item, item_of(schema))
    return _in_order(out, target, patch, keys)


def _index(items: list[Any], item: Obj, keys: Sequence[str]) -> int | None:
    named = [key for key in keys if key in item]
    return next((i for i, known in enumerate(items) if all(known.get(k) == item[k] for k in named)), None)


def _in_order(merged: list[Any], before: list[Any], patch: list[Any], keys: Sequence[str]) -> list[Any]:
    """What the patch names in its order, the others in theirs; of two that were not both there before the patch's comes first."""
    named = [merged[i] for item in patch if (i := _index(merged, item, keys)) is not None]
    others = [item for item in merged if not any(item is one for one in named)]
    out: list[Any] = []
    while named and others:
        left, right = (_index(before, items[0], keys) for items in (named, others))
        out.append((others if left is not None and right is not None and right < left else named).pop(0))
    return [*out, *named, *others]


def apply_merge(live: Any, intent: Any, schema: Schema) -> Any:
    """What is applied over what is there; atomic maps and lists are replaced."""
    if isinstance(intent, dict) and isinstance(live, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        out = dict(live)
        for key, value in intent.items():
            out[key] = apply_merge(out.get(key), value, member_of(schema, key) or FREE_ITEM)
        return out
    kind = schema.get("x-kubernetes-list-type")
    if isinstance(intent, list) and isinstance(live, list) and kind in ("map", "set"):
        out_list = list(live)
        steps = [step_of(item, schema) for item in live]
        for item in intent:
            step = step_of(item, schema)
            if step not in steps:
                out_list.append(item)
            elif kind == "map":
                index = steps.index(step)
                out_list[index] = apply_merge(out_list[index], item, item_of(schema))
        return out_list
    return intent


def without(obj: Any, paths: AbstractSet[Path], schema: Schema) -> Any:
    """A copy without these fields, and without what is empty because of that; an item goes before what identifies it."""
    for path in sorted(paths, key=len):
        obj = _removed(obj, path, schema)
    return obj


def _removed(obj: Any, path: Path, schema: Schema) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(obj, dict) and step.startswith("f:"):
        key = step[2:]
        if key not in obj:
            return obj
        inner = _removed(obj[key], rest, member_of(schema, key) or FREE_ITEM) if rest else None
        out = {k: v for k, v in obj.items() if k != key}
        return out if inner in (None, {}, []) else {**out, key: inner}
    if not isinstance(obj, list):
        return obj
    if step.startswith("v:"):
        value = msgspec.json.decode(step[2:])
        return [item for item in obj if item != value]
    found = [i for i, item in enumerate(obj) if isinstance(item, dict) and step_of(item, schema) == step]
    if not found:
        return obj
    inner = [_removed(obj[found[0]], rest, item_of(schema))] if rest else []
    return [*obj[: found[0]], *inner, *obj[found[0] + 1 :]]
