"""The environment of a task, as Marathon builds it (context, then host and ports, then the user's own, which win).

Numbers of ports are written once, in `PORT<i>`; all other variables refer to it, so an admission step that gives each pod
its own numbers has one place to change.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from translators.kubernetes.escape import literal
from translators.kubernetes.names import task_id_template
from translators.kubernetes.platform import SANDBOX, Platform
from translators.kubernetes.ports import PortEntry

__all__ = ["environment", "java_double"]

_MAX_LABEL_KEY = 493  # exclusive; 512 less the prefix MARATHON_APP_LABEL_
_MAX_LABEL_VALUE = 512  # exclusive

EnvVar = dict[str, Any]


def environment(
    app: Mapping[str, Any],
    entries: Sequence[PortEntry],
    *,
    config_version: str,
    platform: Platform,
    parameters: Mapping[str, str] | None = None,
) -> list[EnvVar]:
    """The `env` list of the app's container. `parameters` are the variables of `docker.parameters`."""
    user = {name: _user(name, value, app, platform) for name, value in (app.get("env") or {}).items()}
    uid = "POD_UID" if "POD_UID" not in user else "MARATHON_GATEWAY_POD_UID"
    made: dict[str, EnvVar] = {uid: _field(uid, "metadata.uid")}
    for name, value in _context(app, uid, config_version, platform).items():
        made[name] = {"name": name, "value": value}
    host = f"{platform.env_vars_prefix}HOST"
    made[host] = _field(host, "status.podIP")
    for name, value in _ports(entries, platform.env_vars_prefix).items():
        made[name] = {"name": name, "value": value}
    for name, value in (parameters or {}).items():
        made[name] = {"name": name, "value": literal(value)}
    variables = [*(variable for name, variable in made.items() if name not in user), *user.values()]
    return [variable for variable in variables if platform.takes_variable(variable["name"])]


def _user(name: str, value: Any, app: Mapping[str, Any], platform: Platform) -> EnvVar:
    if not isinstance(value, Mapping):
        return {"name": name, "value": literal(str(value))}
    reference = str(value["secret"])
    source = ((app.get("secrets") or {}).get(reference) or {}).get("source", reference)
    secret, key = platform.secret(source)
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _field(name: str, path: str) -> EnvVar:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _context(app: Mapping[str, Any], uid: str, config_version: str, platform: Platform) -> dict[str, str]:
    container = app.get("container") or {}
    image = (container.get("docker") or {}).get("image")
    labels = _labels(app.get("labels") or {})
    return {
        "MESOS_SANDBOX": SANDBOX,
        "MESOS_TASK_ID": task_id_template(app["id"], uid, style=platform.task_id_style),
        "MARATHON_APP_ID": app["id"],
        "MARATHON_APP_VERSION": config_version,
        **({"MARATHON_APP_DOCKER_IMAGE": literal(image)} if image and container.get("type") == "DOCKER" else {}),
        "MARATHON_APP_RESOURCE_CPUS": java_double(app.get("cpus", 1.0)),
        "MARATHON_APP_RESOURCE_MEM": java_double(app.get("mem", 128.0)),
        "MARATHON_APP_RESOURCE_DISK": java_double(app.get("disk", 0.0)),
        "MARATHON_APP_RESOURCE_GPUS": str(int(app.get("gpus") or 0)),
        "MARATHON_APP_ENFORCE_GROUP_ROLE": "FALSE",
        "MARATHON_APP_LABELS": " ".join(labels),
        **{f"MARATHON_APP_LABEL_{name}": literal(value) for name, value in labels.items()},
    }


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {
        re.sub(r"[^a-zA-Z0-9_]+", "_", key).upper(): value
        for key, value in labels.items()
        if len(key) < _MAX_LABEL_KEY and len(value) < _MAX_LABEL_VALUE
    }


def _ports(entries: Sequence[PortEntry], prefix: str) -> dict[str, str]:
    """`PORT<i>` first, since only later variables can refer to them."""
    if not entries:
        return {}
    made = {entry.variable: str(entry.number) for entry in entries}
    for entry in entries:
        value = f"$({entry.variable})"
        made.setdefault(f"{prefix}PORT{entry.index}", value)
        made[f"{prefix}PORT_{entry.requested or entry.number}"] = value
        if entry.label:
            made[f"{prefix}PORT_{entry.label.upper()}"] = value
    picked = [entry for entry in entries if entry.host] + [entry for entry in entries if _random(entry)]
    if picked:
        made[f"{prefix}PORT"] = f"$({picked[0].variable})"
    made[f"{prefix}PORTS"] = ",".join(f"$({entry.variable})" for entry in picked)
    return made


def _random(entry: PortEntry) -> bool:
    """A port without host port that Marathon would have drawn."""
    return entry.dynamic and not entry.host


def java_double(number: float) -> str:
    """A number as Java prints a double: `0.5`, `128.0`, `1.0E-4`, `1.0E7`."""
    value = float(number)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    power = int(exponent) + len(text) - 1
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{power}"
