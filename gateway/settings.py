"""All settings of the gateway, in one place: what they are called, what they mean, their default and why.

A value comes from, in this order: a flag (`--max_running_deployments 50`, `-` and `_` are the same), an environment
variable (`MARATHON_MAX_RUNNING_DEPLOYMENTS` where Marathon has the setting, `MGW_MAX_RUNNING_DEPLOYMENTS` always), the TOML
file named by `--config` or `MGW_CONFIG` (`max_running_deployments = 50`), the default.
Where Marathon has a flag of the same meaning the setting has its name, so that people bring their configuration along.
Marathon's other flags are known: they are accepted and named in a warning, never ignored in silence.
A setting that cannot be used stops the start with one clear line.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict

__all__ = ["MARATHON_FLAGS_WITHOUT_EFFECT", "Setting", "Settings", "SettingsError", "load", "settings"]


class SettingsError(Exception):
    """One line that names the setting, its value and what would be right."""


def _words(value: object) -> object:
    """`a,b` as people write it in flags and variables."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


def _pairs(value: object) -> object:
    """`name=value,name=value`, or a table in the file."""
    if isinstance(value, str):
        pairs = [word.partition("=") for word in value.split(",") if word.strip()]
        return {key.strip(): text.strip() for key, _, text in pairs}
    return value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Pairs = Annotated[dict[str, str], BeforeValidator(_pairs)]
_MARATHON: JsonDict = {"marathon": True}


class Settings(BaseModel):
    """See the description of each field; `docs/settings.md` is generated from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Marathon's own
    http_address: str = Field("127.0.0.1", description="Address to listen on.", json_schema_extra=_MARATHON)
    http_port: int = Field(
        8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.", json_schema_extra=_MARATHON
    )
    hostname: str = Field(
        "",
        description="Name or address that other replicas and clients reach this one by; shown by /v2/leader. Default: the listening address.",
        json_schema_extra=_MARATHON,
    )
    http_credentials: str = Field(
        "",
        description="`user:password` that every request must carry (HTTP Basic). Default: open.",
        json_schema_extra=_MARATHON,
    )
    http_realm: str = Field("", description="Realm of the HTTP Basic challenge.", json_schema_extra=_MARATHON)
    http_max_concurrent_requests: int = Field(
        0,
        ge=0,
        description="Requests served at a time, beyond which 503 is answered; 0: unlimited.",
        json_schema_extra=_MARATHON,
    )
    access_control_allow_origin: Words = Field(
        (), description="Origins that browsers may call from (CORS), or `*`.", json_schema_extra=_MARATHON
    )
    enable_features: Words = Field(
        (),
        description="Marathon features: secrets, external_volumes, gpu_resources, task_killing, vips.",
        json_schema_extra=_MARATHON,
    )
    mesos_role: str = Field("*", description="Role that apps without one get.", json_schema_extra=_MARATHON)
    framework_name: str = Field(
        "marathon", description="`framework_name` shown by /v2/info.", json_schema_extra=_MARATHON
    )
    default_network_name: str = Field(
        "",
        description="Network of apps that ask for a container network without naming one.",
        json_schema_extra=_MARATHON,
    )
    env_vars_prefix: str = Field(
        "", description="Prefix of HOST, PORT0 … in the tasks' environment.", json_schema_extra=_MARATHON
    )
    gpu_scheduling_behavior: Literal["undefined", "restricted", "unrestricted"] = Field(
        "undefined", description="Whether apps without GPUs may use nodes that have some.", json_schema_extra=_MARATHON
    )
    local_port_min: int = Field(
        10000, ge=1, le=65535, description="Lowest service port that is assigned.", json_schema_extra=_MARATHON
    )
    local_port_max: int = Field(
        20000, ge=1, le=65535, description="Highest service port that is assigned.", json_schema_extra=_MARATHON
    )
    max_running_deployments: int = Field(
        100, ge=1, description="Deployments at a time, beyond which changes get 403.", json_schema_extra=_MARATHON
    )
    event_stream_max_outstanding_messages: int = Field(
        1024,
        ge=1,
        description="Events that may wait for a slow reader of /v2/events before it is closed.",
        json_schema_extra=_MARATHON,
    )
    # Ours
    kubeconfig: Path | None = Field(
        None, description="kubeconfig of the cluster. Default: the credentials of the pod it runs in."
    )
    namespace: str = Field("marathon", description="Namespace of everything the gateway makes.")
    task_id_style: Literal["marathon", "instance"] = Field(
        "marathon",
        description="`marathon`: `<app>.<uuid>`, readable for every client; `instance`: `<app>.instance-<uuid>._app.<n>`, the form of Marathon 1.8 and later.",
    )
    max_instances: int = Field(
        10_000,
        ge=1,
        description="Instances one app may ask for; a Marathon that accepts a thousand million dies of it.",
    )
    max_body_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, description="Largest request body in bytes, beyond which 413 is answered."
    )
    default_image: str = Field(
        "docker.io/library/busybox:1.36",
        description="Image of apps that have a command and no image (on Mesos they ran on the agent's own file system).",
    )
    fetcher_image: str = Field(
        "docker.io/library/busybox:1.36",
        description="Image that downloads `fetch` URIs before the app starts; needs a shell, wget and tar.",
    )
    kill_grace_s: int = Field(
        3,
        ge=1,
        description="Seconds between SIGTERM and SIGKILL for apps that do not say; 3 is what a Mesos agent gives.",
    )
    unsupported: Literal["refuse", "warn"] = Field(
        "refuse",
        description="What Kubernetes cannot honour: `refuse` with 422, or `warn`: accept and say so on the app. `mgw dev` has `warn`.",
    )
    networks: Pairs = Field(
        {},
        description="Container networks by Marathon's name, e.g. `dcos=`: the value is a Multus network, empty for the pod network; the name `*` stands for all others. `mgw dev` has `*=`.",
    )
    users: Pairs = Field(
        {"nobody": "65534"}, description="Numeric ids of user names beside root, e.g. `nobody=65534,www-data=33`."
    )
    secrets: Pairs = Field(
        {}, description="Secret sources and where they are on the cluster, e.g. `db/password=db-secret/password`."
    )
    deployment_retention_s: float = Field(
        3600.0,
        ge=0,
        description="Seconds that a finished change is kept; it fences a stale writer and is the deployment history.",
    )
    lease_duration_s: float = Field(15.0, gt=1, description="Seconds after which a silent leader is replaced.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is written."
    )

    @property
    def listen(self) -> str:
        return f"{self.http_address}:{self.http_port}"


# Flags of Marathon 1.11 that have no meaning here, with the reason that the warning gives.
MARATHON_FLAGS_WITHOUT_EFFECT: Mapping[str, str] = {
    **dict.fromkeys(
        ("master", "mesos_authentication", "mesos_authentication_principal", "mesos_authentication_secret",
         "mesos_authentication_secret_file", "mesos_user", "mesos_leader_ui_url", "mesos_http_timeout", "mesos_bridge_name",
         "failover_timeout", "executor", "min_revive_offers_interval", "max_offers_per_round", "decline_offer_duration",
         "revive_offers_for_new_apps", "disable_revive_offers_for_new_apps", "offer_matching_timeout", "checkpoint",
         "default_accepted_resource_roles", "reconciliation_interval", "reconciliation_initial_delay"),
        "there is no Mesos here",
    ),
    **dict.fromkeys(
        ("zk", "zk_compression", "zk_compression_threshold", "zk_connection_timeout", "zk_timeout", "zk_session_timeout",
         "zk_max_versions", "zk_max_node_size", "zk_max_node_size_metric", "internal_store_backend", "backup_location",
         "restore_location", "cache_groups"),
        "the state is kept in the Kubernetes API",
    ),
    **dict.fromkeys(
        ("ha", "leader_proxy_connection_timeout", "leader_proxy_read_timeout", "leader_proxy_ssl_ignore_hostname"),
        "every replica reads and writes; a Lease elects the leader",
    ),
    **dict.fromkeys(
        ("https_address", "https_port", "ssl_keystore_path", "ssl_keystore_password", "disable_http"),
        "TLS is ended in front of the gateway",
    ),
    **dict.fromkeys(
        ("task_launch_timeout", "task_launch_confirm_timeout", "task_lost_expunge_interval", "kill_chunk_size",
         "kill_retry_timeout", "scale_apps_interval", "scale_apps_initial_delay", "launch_tokens", "launch_token_refresh_interval",
         "local_port_max_attempts", "max_instances_per_offer"),
        "Kubernetes starts and stops the pods",
    ),
    **dict.fromkeys(
        ("webui_url", "plugin_dir", "plugin_conf", "logging_level", "env", "deprecated_features", "metrics_prometheus",
         "metrics_statsd", "metrics_datadog", "new_group_enforce_role", "maintenance_mode"),
        "it has no counterpart in the gateway",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting for `--help` and the docs."""

    name: str
    default: Any
    description: str
    marathon: bool

    @property
    def variables(self) -> tuple[str, ...]:
        ours = f"MGW_{self.name.upper()}"
        return (f"MARATHON_{self.name.upper()}", ours) if self.marathon else (ours,)


def settings() -> Iterator[Setting]:
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        yield Setting(
            name, field.default, field.description or "", isinstance(extra, dict) and bool(extra.get("marathon"))
        )


def load(
    flags: Mapping[str, str], environment: Mapping[str, str], file: Path | None = None
) -> tuple[Settings, list[str]]:
    """The settings in force, and warnings about what was given and has no effect.

    `flags` are the ones that were given, by name. Raises SettingsError.
    """
    values: dict[str, Any] = _from_file(file) if file else {}
    values |= _from_environment(environment)
    values |= {name: value for name, value in flags.items() if name not in MARATHON_FLAGS_WITHOUT_EFFECT}
    try:
        loaded = Settings(**values)
    except ValidationError as error:
        raise SettingsError(_first_line(error)) from None
    return loaded, _without_effect(flags, environment)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The configuration file {path} is not TOML: {error}.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    return {
        setting.name: environment[variable]
        for setting in settings()
        for variable in setting.variables
        if variable in environment
    }


def _without_effect(flags: Mapping[str, str], environment: Mapping[str, str]) -> list[str]:
    known = {variable for setting in settings() for variable in setting.variables}
    warnings = [
        f"--{name} has no effect: {MARATHON_FLAGS_WITHOUT_EFFECT[name]}."
        for name in flags
        if name in MARATHON_FLAGS_WITHOUT_EFFECT
    ]
    for variable in sorted(environment):
        if variable.startswith("MARATHON_") and variable not in known:
            name = variable.removeprefix("MARATHON_").lower()
            reason = MARATHON_FLAGS_WITHOUT_EFFECT.get(name, "the gateway has no such setting")
            warnings.append(f"{variable} has no effect: {reason}.")
    return warnings


def _first_line(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    if first["type"] == "extra_forbidden":
        return f"There is no setting '{name}'. `mgw serve --help` lists them."
    shown = "(hidden)" if "credentials" in name else repr(first["input"])
    return f"The setting '{name}' cannot be {shown}: {first['msg']}."
