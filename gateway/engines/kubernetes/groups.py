"""Group requests: from a decoded body to a checked definition. Pure.

Marathon reads the whole body first (all errors of types together), then its rules. What it does with odd bodies is on
record and repeated here, the refusals about `enforceRole` that name bodies without one included.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from translators.kubernetes.objects import GroupRecord
from translators.marathon import Rules, read_app
from translators.marathon.errors import Detail, InvalidDefinition, InvalidJson
from translators.marathon.paths import absolute_id, parent, segment_details
from translators.marathon.readers import Errors
from translators.marathon.types import GROUP, GROUP_PATCH

__all__ = ["Node", "is_top", "read_group", "read_patch", "top_group"]

RulesOf = Callable[[str, bool | None], Rules]

_DEPTH = 50
_SERVICES = (
    "enforceRole cannot be modified in a request that adds, removes or modifies services; "
    "please make these changes in separate requests."
)


@dataclass(frozen=True, slots=True)
class Node:
    """One group of a body. None is what the body does not speak of; `apps` are complete definitions."""

    id: str
    apps: Mapping[str, dict[str, Any]] | None = None
    groups: tuple["Node", ...] | None = None
    dependencies: tuple[str, ...] | None = None
    enforce_role: bool | None = None
    scale_by: float | None = None
    version: str | None = None

    def walk(self) -> Iterator["Node"]:
        """This group and all below that the body names; of two with one id the last."""
        yield self
        named = {node.id: node for node in self.groups or ()}
        for node in named.values():
            yield from node.walk()

    def all_apps(self) -> dict[str, dict[str, Any]]:
        return {app_id: app for node in self.walk() for app_id, app in (node.apps or {}).items()}


def is_top(group_id: str) -> bool:
    return group_id != "/" and parent(group_id) == "/"


def top_group(item: str) -> str:
    """The top-level group that an app or a group is in (or is)."""
    return "/" + item.strip("/").partition("/")[0]


def read_group(source: object, *, base: str, groups: Mapping[str, GroupRecord], rules_of: RulesOf) -> Node:
    """`groups` are those that are there. Raises InvalidJson, InvalidDefinition.

    `rules_of` answers the rules for an app; its second argument is what the body says of `enforceRole`, if it does.
    """
    if details := segment_details(base, "/"):
        raise InvalidDefinition(details)
    body: dict[str, Any] = source if isinstance(source, dict) else {}
    _check_types(body)
    return _Reading(groups, rules_of).whole(body, base)


def read_patch(source: object) -> bool | None:
    """`{"enforceRole": …}`. Raises InvalidJson."""
    errors = Errors()
    patch = GROUP_PATCH(source if isinstance(source, dict) else {}, "", errors)
    errors.check()
    enforce: bool | None = patch.get("enforceRole")
    return enforce


def _check_types(body: Mapping[str, Any]) -> None:
    errors = Errors()
    pending: list[tuple[Any, str]] = [(body, "")]
    while pending:
        source, path = pending.pop(0)
        if path.count("(") > _DEPTH:
            raise InvalidDefinition([Detail(path, ("groups are nested too deeply for this platform",))])
        if not isinstance(source, dict):
            errors.add(f"{path}/id", "error.path.missing")
            continue
        GROUP(source, path, errors)
        if path and source.get("id") is None:
            errors.add(f"{path}/id", "error.path.missing")
        if isinstance(source.get("groups"), list):
            pending += [(inner, f"{path}/groups({i})") for i, inner in enumerate(source["groups"])]
    errors.check()


class _Reading:
    """Collects what is wrong: types of apps before rules, the rules of all groups together."""

    def __init__(self, groups: Mapping[str, GroupRecord], rules_of: RulesOf) -> None:
        self._groups = groups
        self._rules_of = rules_of
        self._types: list[Detail] = []
        self._broken: list[Detail] = []

    def whole(self, body: Mapping[str, Any], base: str) -> Node:
        node = self._node(body, base, "", None)
        if self._types:
            raise InvalidJson(self._types)
        if self._broken:
            raise InvalidDefinition(self._broken)
        return node

    def _node(self, body: Mapping[str, Any], base: str, path: str, enforced: bool | None) -> Node:
        group_id = absolute_id(str(body.get("id") or ""), base)
        enforce = body.get("enforceRole")
        node = Node(
            id=group_id,
            enforce_role=enforce,
            scale_by=body.get("scaleBy"),
            version=body.get("version"),
            dependencies=_dependencies(body, group_id),
        )
        if path and not _in(group_id, base):
            text = "Group has to be child of groups with parent id"
            self._broken.append(Detail(self._position(top_group(base)), (text,)))
        self._rules(node, body, path)
        enforced = enforce if is_top(group_id) else enforced
        apps, groups = body.get("apps"), body.get("groups")
        return replace(
            node,
            apps=None if apps is None else self._apps(apps, group_id, path, enforced),
            groups=None
            if groups is None
            else tuple(self._node(inner, group_id, f"{path}/groups({i})", enforced) for i, inner in enumerate(groups)),
        )

    def _rules(self, node: Node, body: Mapping[str, Any], path: str) -> None:
        found = self._broken
        alone = node.version is not None or node.scale_by is not None
        if self._changes_role(node, body, alone):
            found.append(Detail(f"{path}/enforceRole", (_SERVICES,)))
        if body.get("pods"):
            found.append(Detail(f"{path}/pods", ("pods are not supported by this platform yet",)))
        if alone and len([key for key in GROUP_FIELDS if body.get(key) is not None]) > 1:
            text = "not allowed in conjunction with other properties."
            found += [Detail(f"{path}/{key}", (text,)) for key in ("version", "scaleBy") if body.get(key) is not None]
        if node.enforce_role and not is_top(node.id):
            text = f"enforceRole can only be set for top-level groups, and {node.id} is not top-level"
            found.append(Detail(f"{path}/enforceRole", (text,)))

    def _position(self, top: str) -> str:
        """Marathon finds this in the new root, where it counts the top-level groups (in the order of a hash)."""
        tops = sorted({top, *(group for group in self._groups if is_top(group))} - {"/"})
        return f"/groups({tops.index(top)})" if top in tops else "/"

    def _changes_role(self, node: Node, body: Mapping[str, Any], alone: bool) -> bool:
        """What is compared is the role of the body, which only top-level groups get by default: others seem to change."""
        if not body.get("id") or node.id not in self._groups:
            return False
        given = node.enforce_role
        if given is None and is_top(node.id) and not alone:
            given = False
        return (alone or bool(body.get("apps") or body.get("groups"))) and given != self._groups[node.id].enforceRole

    def _apps(self, sources: list[Any], group_id: str, path: str, enforced: bool | None) -> dict[str, dict[str, Any]]:
        apps: dict[str, dict[str, Any]] = {}
        for i, source in enumerate(sources):
            where = f"{path}/apps({i})"
            written = source.get("id") if isinstance(source, dict) else None
            rules = self._rules_of(absolute_id(str(written or ""), group_id), enforced)
            try:
                app = read_app(source, rules=rules, base=group_id, path=where)
            except InvalidJson as error:
                self._types += _details(error)
                continue
            except InvalidDefinition as error:
                self._broken += _details(error)
                continue
            if not _is_child(str(written), app["id"], group_id):
                self._broken.append(Detail(f"{where}/id", (f"Identifier is not child of '{group_id}'",)))
            apps[app["id"]] = app
        return apps


GROUP_FIELDS = ("id", "apps", "groups", "dependencies", "scaleBy", "version", "enforceRole")


def _dependencies(body: Mapping[str, Any], group_id: str) -> tuple[str, ...] | None:
    given = body.get("dependencies")
    return None if given is None else tuple(dict.fromkeys(absolute_id(name, group_id) for name in given))


def _details(error: InvalidJson | InvalidDefinition) -> list[Detail]:
    return [detail for detail in error.details or () if isinstance(detail, Detail)]


def _in(item: str, group_id: str) -> bool:
    return item != "/" and item.startswith(group_id.rstrip("/") + "/")


def _is_child(written: str, app_id: str, group_id: str) -> bool:
    """The root takes any app; another group what is below it, and by an absolute id only its direct children."""
    return group_id == "/" or (_in(app_id, group_id) and (not written.startswith("/") or parent(app_id) == group_id))
