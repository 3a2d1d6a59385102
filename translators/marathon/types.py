"""The types of an app definition as data: members in Marathon's order of printing, bounds, defaults (its RAML).

`APP` has no defaults at its top level: those depend on the rest of the app and are set by `normalisation`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from translators.marathon.paths import ID_PATTERN
from translators.marathon.readers import (
    Errors,
    Field,
    Reader,
    array,
    boolean,
    enum,
    integer,
    long_integer,
    mapping,
    number,
    record,
    string,
)

__all__ = ["APP", "APP_FIELDS", "DEFAULT_MAPPING", "DEFAULT_PORT_DEFINITION", "GROUP", "GROUP_PATCH"]

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_NETWORK_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9_]*[a-z0-9])?")
_EXECUTOR = re.compile(r"(?://cmd)|(?:/?[^/]+(?:/[^/]+)*)|")

DEFAULT_PORT_DEFINITION = {"port": 0, "name": "default", "protocol": "tcp"}
DEFAULT_MAPPING = {"containerPort": 0, "labels": {}, "name": "default", "protocol": "tcp", "servicePort": 0}

_text = string()
_some_text = string(min_length=1)
_port = integer(0, 65535)
_labels = mapping(_text)
_name = string(min_length=1, pattern=_NAME)
_protocol = enum("tcp", "udp", "udp,tcp")
_whole = integer(0)
_unreachable_after = long_integer(0)


def _optional(name: str, read: Reader) -> Field:
    return Field(name, read)


def _with(name: str, read: Reader, default: Any) -> Field:
    return Field(name, read, default=default)


def _empty_map(name: str, read: Reader) -> Field:
    return Field(name, read, factory=dict)


def _empty_list(name: str, read: Reader) -> Field:
    return Field(name, read, factory=list)


def _constraint(value: Any, path: str, errors: Errors) -> Any:
    return array(_text)(value, path, errors)


def _union(*alternatives: tuple[Callable[[Any], bool], Reader]) -> Reader:
    """The first alternative that reads without an error; the errors told are those of the last."""

    def read(value: Any, path: str, errors: Errors) -> Any:
        found = Errors()
        result: Any = value
        for fits, alternative in alternatives:
            if not fits(value):
                continue
            found = Errors()
            result = alternative(value, path, found)
            if not found:
                return result
        errors.merge(found)
        return result

    return read


def _always(_value: Any) -> bool:
    return True


def _has(key: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and key in value


_env_value = _union(
    (lambda v: isinstance(v, str), _text), (_always, record(Field("secret", _text, required=True), plain=True))
)

_network = record(
    _optional("name", string(min_length=1, max_length=63, pattern=_NETWORK_NAME)),
    _with("mode", enum("container", "container/bridge", "host"), "container"),
    _optional("labels", _labels),
)

_port_definition = record(
    _with("port", _port, 0),
    _optional("labels", _labels),
    _optional("name", _name),
    _with("protocol", _protocol, "tcp"),
)

_mapping_fields = (
    _with("containerPort", _port, 0),
    _optional("hostPort", _port),
    _empty_map("labels", _labels),
    _optional("name", _name),
    _with("protocol", _protocol, "tcp"),
    _with("servicePort", _port, 0),
    _optional("networkNames", array(_text)),
)
_port_mapping = record(*_mapping_fields)

_docker = record(
    _optional("credential", record(Field("principal", _text, required=True), Field("secret", _text), plain=True)),
    _optional("pullConfig", record(Field("secret", _some_text, required=True))),
    _with("forcePullImage", boolean, False),
    Field("image", _some_text, required=True),
    _optional("network", enum("BRIDGE", "HOST", "NONE", "USER")),
    _empty_list(
        "parameters", array(record(Field("key", _some_text, required=True), Field("value", _text, required=True)))
    ),
    _optional("portMappings", array(_port_mapping)),
    _with("privileged", boolean, False),
)

_mode = Field("mode", enum("RO", "RW"), required=True)
_container_path = Field("containerPath", _some_text, required=True)
_persistent = record(
    _container_path,
    Field(
        "persistent",
        record(
            _optional("type", enum("root", "path", "mount")),
            Field("size", long_integer(0), required=True),
            _optional("maxSize", long_integer(0)),
            _optional("profileName", _text),
            _empty_list("constraints", array(_constraint, unique=True)),
        ),
        required=True,
    ),
    _mode,
)
_dvdi = record(
    _optional("size", _whole),
    _optional("name", _text),
    _optional("provider", _text),
    _empty_map("options", _labels),
    _with("shared", boolean, False),
)


def _without_empty(read: Reader, *names: str) -> Reader:
    """Members that Marathon does not print when they are empty."""

    def reading(value: Any, path: str, errors: Errors) -> Any:
        found = read(value, path, errors)
        if not isinstance(found, dict):
            return found
        return {key: inner for key, inner in found.items() if inner or key not in names}

    return reading


_csi_capability = record(
    Field("accessType", enum("block", "mount"), required=True),
    Field(
        "accessMode",
        enum("SINGLE_NODE_WRITER", "SINGLE_NODE_READER_ONLY", "MULTI_NODE_READER_ONLY",
             "MULTI_NODE_SINGLE_WRITER", "MULTI_NODE_MULTI_WRITER"),
        required=True,
    ),
    _optional("fsType", _text),
    _optional("mountFlags", array(_text)),
)  # fmt: skip
_csi_options = record(
    Field("pluginName", _some_text, required=True),
    Field("capability", _without_empty(_csi_capability, "mountFlags"), required=True),
    _optional("nodeStageSecret", _labels),
    _optional("nodePublishSecret", _labels),
    _optional("volumeContext", _labels),
)
_csi = record(
    Field("name", _text, required=True),
    Field("provider", enum("csi"), required=True),
    Field(
        "options",
        _without_empty(_csi_options, "nodeStageSecret", "nodePublishSecret", "volumeContext"),
        required=True,
    ),
)
_external = _union((lambda v: isinstance(v, dict) and str(v.get("provider")).lower() == "csi", _csi), (_always, _dvdi))
_volume = _union(
    (_has("persistent"), _persistent),
    (_has("external"), record(_container_path, Field("external", _external, required=True), _mode)),
    (_has("secret"), record(_container_path, Field("secret", _text, required=True))),
    (_always, record(_container_path, Field("hostPath", _some_text, required=True), _mode)),
)

_linux_info = record(
    _optional(
        "seccomp",
        record(
            _optional("profileName", _text),
            _with("unconfined", lambda value, path, errors: value is True, False),
        ),
    ),
    _optional(
        "ipcInfo",
        record(
            Field("mode", enum("PRIVATE", "SHARE_PARENT"), required=True), _optional("shmSize", integer()), plain=True
        ),
    ),
    plain=True,
)

_container = record(
    _with("type", enum("MESOS", "DOCKER"), "DOCKER"),
    _optional("docker", _docker),
    _optional("linuxInfo", _linux_info),
    _empty_list("volumes", array(_volume)),
    _optional("portMappings", array(_port_mapping)),
)

_ip_address = record(
    _optional("groups", array(_text, unique=True)),
    _empty_map("labels", _labels),
    _optional(
        "discovery",
        record(
            _empty_list(
                "ports",
                array(
                    record(
                        _with("number", _port, 0),
                        Field("name", _name, required=True),
                        _with("protocol", enum("tcp", "udp", "udp,tcp"), "tcp"),
                        _empty_map("labels", _labels),
                    )
                ),
            )
        ),
    ),
    _optional("networkName", _some_text),
)

_health_check = record(
    _optional("command", record(Field("value", _text, required=True), plain=True)),
    _with("gracePeriodSeconds", _whole, 300),
    _optional("ignoreHttp1xx", boolean),
    _with("intervalSeconds", _whole, 60),
    _with("maxConsecutiveFailures", _whole, 3),
    _optional("path", _text),
    _optional("port", _port),
    _optional("portIndex", _port),
    _with("protocol", enum("HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_TCP", "MESOS_HTTP", "MESOS_HTTPS"), "HTTP"),
    _with("ipProtocol", enum("IPv4", "IPv6"), "IPv4"),
    _with("timeoutSeconds", integer(), 20),
    _with("delaySeconds", _whole, 15),
)

_command = _union(
    (_has("shell"), record(Field("shell", _some_text, required=True))),
    (_always, record(Field("argv", array(_text, min_items=1), required=True))),
)
_check = record(
    _optional(
        "http",
        record(
            _optional("portIndex", _port), _optional("port", _port), _optional("path", string(min_length=1, max_length=1024)),
            _with("scheme", enum("HTTP", "HTTPS"), "HTTP"),
        ),
    ),
    _optional("tcp", record(_optional("portIndex", _port), _optional("port", _port))),
    _optional("exec", record(Field("command", _command, required=True), plain=True)),
    _with("intervalSeconds", _whole, 60),
    _with("timeoutSeconds", _whole, 20),
    _with("delaySeconds", _whole, 15),
)  # fmt: skip

_readiness_check = record(
    _with("name", _some_text, "readinessCheck"),
    _with("protocol", enum("HTTP", "HTTPS"), "HTTP"),
    _with("path", string(min_length=1, max_length=1024), "/"),
    _with("portName", _name, "http-api"),
    _with("intervalSeconds", _whole, 30),
    _with("timeoutSeconds", integer(1), 10),
    Field("httpStatusCodesForReady", array(integer(), min_items=1, unique=True), factory=lambda: [200]),
    _with("preserveLastResponse", boolean, False),
)

_fetch = record(
    Field("uri", string(min_length=1, max_length=1024), required=True),
    _with("extract", boolean, True),
    _with("executable", boolean, False),
    _with("cache", boolean, False),
    _optional("destPath", string(min_length=1, max_length=1024)),
)


def _limit(value: Any, path: str, errors: Errors) -> Any:
    return value if isinstance(value, str) else number()(value, path, errors)


def _unreachable(value: Any, path: str, errors: Errors) -> Any:
    return "disabled" if isinstance(value, str) else _unreachable_enabled(value, path, errors)


_unreachable_enabled = record(
    _with("inactiveAfterSeconds", _unreachable_after, 0), _with("expungeAfterSeconds", _unreachable_after, 0)
)


def _moment(value: Any, path: str, errors: Errors) -> Any:
    if not isinstance(value, str):
        errors.add(path, "error.expected.date")
    elif "T" not in value or not _is_moment(value):
        errors.add(path, "error.expected.date.isoformat")
    return value


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


APP_FIELDS = (
    Field("id", string(min_length=1, pattern=ID_PATTERN), required=True),
    _optional("acceptedResourceRoles", array(_text, unique=True)),
    _optional("args", array(_text)),
    _optional("backoffFactor", number(1)),
    _optional("backoffSeconds", _whole),
    _optional("cmd", _some_text),
    _optional("constraints", array(_constraint, unique=True)),
    _optional("container", _container),
    _optional("cpus", number(0)),
    _optional("dependencies", array(_text, unique=True)),
    _optional("disk", number(0)),
    _optional("env", mapping(_env_value)),
    _optional("executor", string(pattern=_EXECUTOR)),
    _optional("executorResources", record(_with("cpus", number(0), 0.1), _with("mem", number(32), 32.0), _with("disk", number(10), 10.0))),
    _optional("fetch", array(_fetch)),
    _optional("healthChecks", array(_health_check, unique=True)),
    _optional("check", _check),
    _optional("instances", _whole),
    _optional("labels", _labels),
    _optional("maxLaunchDelaySeconds", _whole),
    _optional("mem", number(0)),
    _optional("gpus", _whole),
    _optional("ipAddress", _ip_address),
    _optional("networks", array(_network)),
    _optional("ports", array(integer())),
    _optional("portDefinitions", array(_port_definition)),
    _optional("readinessChecks", array(_readiness_check)),
    _optional(
        "residency",
        record(
            _with("relaunchEscalationTimeoutSeconds", _whole, 3600),
            _with("taskLostBehavior", enum("WAIT_FOREVER", "RELAUNCH_AFTER_TIMEOUT"), "WAIT_FOREVER"),
        ),
    ),
    _optional("resourceLimits", record(_optional("cpus", _limit), _optional("mem", _limit), plain=True)),
    _optional("requirePorts", boolean),
    _optional("secrets", mapping(record(Field("source", _some_text, required=True)))),
    _optional("taskKillGracePeriodSeconds", _whole),
    _optional(
        "upgradeStrategy",
        record(
            Field("maximumOverCapacity", number(0, 1), required=True),
            Field("minimumHealthCapacity", number(0, 1), required=True),
        ),
    ),
    _optional("uris", array(_text)),
    _optional("user", _text),
    _optional("version", _moment),
    _optional("killSelection", enum("YOUNGEST_FIRST", "OLDEST_FIRST")),
    _optional("unreachableStrategy", _unreachable),
    _optional("tty", boolean),
    _optional("role", _some_text),
)  # fmt: skip

APP = record(*APP_FIELDS)
"""An app as it is created: `id` is required."""


def _anything(value: Any, path: str, errors: Errors) -> Any:
    return value


# A group without what is in it: the apps and the subgroups are read one by one.
GROUP = record(
    _optional("id", string(pattern=ID_PATTERN)),
    _optional("apps", array(_anything)),
    _optional("groups", array(_anything)),
    _optional("dependencies", array(_text, unique=True)),
    _optional("scaleBy", number(0)),
    _optional("version", _moment),
    _optional("enforceRole", boolean),
)
GROUP_PATCH = record(_optional("enforceRole", boolean))
