"""One group on the cluster, for the runner: its MarathonGroup written and removed, as AppWrites does with apps."""

from typing import Any

import msgspec

from gateway.kubernetes.cluster import Cluster
from gateway.kubernetes.errors import NotFound
from gateway.kubernetes.resources import GROUPS
from gateway.rollouts.changes import log_of, readable_groups
from translators.kubernetes.names import group_object_name, id_hash
from translators.kubernetes.objects import GROUP, VERSION, GroupRecord, MarathonGroup

__all__ = ["GroupWrites"]


class GroupWrites:
    """Every write is idempotent: a runner that dies between two of them is followed by one that goes on."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def stored(self, group_id: str) -> MarathonGroup | None:
        return next((g for g in self._cluster.groups.by("id-hash", id_hash(group_id)) if g.spec.id == group_id), None)

    async def store(self, group_id: str, record: GroupRecord, sequence: int) -> None:
        """Makes `record` the group's current one, unless a later change has a say in it: groups are not locked."""
        if self._decided_later(group_id, sequence):
            return
        known = self.stored(group_id)
        if known is None:
            await self._cluster.create(GROUPS, _group_object(group_id, record, sequence))
        elif known.spec.sequence < sequence:
            body = _group_object(group_id, record, sequence)
            body["metadata"]["resourceVersion"] = known.metadata.resourceVersion
            await self._cluster.replace(GROUPS, known.metadata.name, body)

    def _decided_later(self, group_id: str, sequence: int) -> bool:
        later = (change for change in log_of(self._cluster.changes) if change.sequence > sequence)
        return any(edit.id == group_id for change in later for edit in readable_groups(change))

    async def remove(self, group_id: str, sequence: int) -> None:
        """Deletes the group, unless a newer change has made it again."""
        known = self.stored(group_id)
        if known is None or known.spec.sequence > sequence:
            return
        try:
            await self._cluster.delete(GROUPS, known.metadata.name, uid=known.metadata.uid)
        except NotFound:
            return


def _group_object(group_id: str, record: GroupRecord, sequence: int) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "MarathonGroup",
        "metadata": {
            "name": group_object_name(group_id),
            "labels": {"app.kubernetes.io/managed-by": "marathon-gateway", f"{GROUP}/id-hash": id_hash(group_id)},
        },
        "spec": {"id": group_id, "sequence": sequence, "record": msgspec.to_builtins(record)},
    }
