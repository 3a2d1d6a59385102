"""Who may do what: roles and bindings as RBAC reads them. The bearer of the cluster's own token may do everything."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.simulator.errors import ApiError
from gateway.simulator.objects import Objects
from gateway.simulator.requests import Request, Target

__all__ = ["Asked", "Rights"]

Obj = dict[str, Any]

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_EVERYTHING: Obj = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
_BUILT_IN = {"cluster-admin": [_EVERYTHING]}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to do; `resource` may have a subresource behind a slash, no namespace means all of them."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    @staticmethod
    def of(request: Request, target: Target) -> "Asked":
        kind = target.kind
        verb = _VERBS.get(request.method)
        if verb is None and request.method == "DELETE":
            verb = "delete" if target.name else "deletecollection"
        if verb is None:
            verb = "get" if target.name else "watch" if request.is_watch() else "list"
        resource = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
        namespace = target.name if kind.plural == "namespaces" else target.namespace
        return Asked(verb, kind.group, resource, namespace, target.name)


class Rights:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def check(self, user: str, asked: Asked) -> None:
        """Raises ApiError (403). An empty user is the administrator."""
        if not self.allows(user, asked):
            raise _forbidden(user, asked)

    def allows(self, user: str, asked: Asked) -> bool:
        return not user or any(_permits(rule, asked) for rule in self._rules(user, asked.namespace))

    def _rules(self, user: str, namespace: str) -> Iterator[Obj]:
        """Of the whole cluster, and of the namespace."""
        for binding in self._objects.list("clusterrolebindings"):
            if _is_bound(binding, user):
                yield from self._of_role(binding["roleRef"], "")
        for binding in self._objects.list("rolebindings", namespace) if namespace else ():
            if _is_bound(binding, user):
                yield from self._of_role(binding["roleRef"], namespace)

    def _of_role(self, reference: Obj, namespace: str) -> list[Obj]:
        is_local = reference["kind"] == "Role"
        plural = "roles" if is_local else "clusterroles"
        found = self._objects.find(plural, namespace if is_local else "", reference["name"])
        return (found.get("rules") or []) if found else _BUILT_IN.get(reference["name"], [])


def _is_bound(binding: Obj, user: str) -> bool:
    _, _, namespace, name = user.split(":")
    groups = {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    for subject in binding.get("subjects") or ():
        kind = subject.get("kind")
        if kind == "ServiceAccount" and (subject.get("namespace"), subject.get("name")) == (namespace, name):
            return True
        if (kind == "User" and subject.get("name") == user) or (kind == "Group" and subject.get("name") in groups):
            return True
    return False


def _permits(rule: Obj, asked: Asked) -> bool:
    names = rule.get("resourceNames") or []
    resources = rule.get("resources") or []
    _, slash, subresource = asked.resource.partition("/")
    return (
        bool({asked.verb, "*"} & set(rule.get("verbs") or ()))
        and bool({asked.group, "*"} & set(rule.get("apiGroups") or ()))
        and (bool({asked.resource, "*"} & set(resources)) or (bool(slash) and f"*/{subresource}" in resources))
        and (not names or asked.name in names)
    )


def _forbidden(user: str, asked: Asked) -> ApiError:
    plural = asked.resource.partition("/")[0]
    about = f"{plural}.{asked.group}" if asked.group else plural
    if asked.name:
        about += f' "{asked.name}"'
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    what = f'cannot {asked.verb} resource "{asked.resource}" in API group "{asked.group}" {where}'
    details = {key: value for key, value in (("name", asked.name), ("group", asked.group)) if value}
    return ApiError(403, "Forbidden", f'{about} is forbidden: User "{user}" {what}', {**details, "kind": plural})
