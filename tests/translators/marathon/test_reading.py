"""Reading never fails in another way than Marathon's, and what Marathon prints is read as itself."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translators.marathon import (
    Rules,
    app_json,
    assign_service_ports,
    config_differs,
    read_app,
    read_app_list_update,
    read_app_update,
    read_json,
    replace_app,
    service_ports,
    update_app,
    validate_root,
)
from translators.marathon.errors import BadRequest, DefinitionError, InvalidDefinition, InvalidJson, MalformedJson
from translators.marathon.paths import absolute_id

RULES = Rules()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "acceptedResourceRoles",
        "args",
        "backoffFactor",
        "cmd",
        "constraints",
        "container",
        "cpus",
        "dependencies",
        "env",
        "executor",
        "fetch",
        "healthChecks",
        "check",
        "instances",
        "labels",
        "mem",
        "gpus",
        "ipAddress",
        "networks",
        "ports",
        "portDefinitions",
        "readinessChecks",
        "residency",
        "resourceLimits",
        "secrets",
        "upgradeStrategy",
        "uris",
        "user",
        "killSelection",
        "unreachableStrategy",
        "tty",
        "role",
    ]
)


@settings(max_examples=300)
@given(st.dictionaries(MEMBERS, JSON, max_size=4))
def test_any_members_are_read_or_refused_in_marathons_form(members: dict[str, Any]) -> None:
    try:
        app = read_app({"id": "/x", "cmd": "sleep 1", **members}, rules=RULES)
    except DefinitionError as error:
        assert error.body()["message"]
        return
    again = read_app(json.loads(json.dumps(app)), rules=RULES)
    for shown in (app, again):
        shown.pop("healthChecks", None)  # a check gets its portIndex only where ports are named, which printing does
    assert again == app, "what is printed is read as itself"


@given(JSON)
def test_any_body_is_read_or_refused(body: Any) -> None:
    for read in (
        lambda: read_app(body, rules=RULES),
        lambda: read_app_update(body, rules=RULES, app_id="/x"),
        lambda: read_app_list_update(body, rules=RULES),
    ):
        try:
            read()
        except DefinitionError as error:
            assert 400 <= error.status < 500


@given(st.binary(max_size=64))
def test_any_bytes_are_json_or_malformed(body: bytes) -> None:
    try:
        read_json(body)
    except MalformedJson as error:
        assert error.status == 400


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_marks_and_encodings_are_understood(encoding: str) -> None:
    assert read_json('{"id":"/ü"}'.encode(encoding)) == {"id": "/ü"}


def test_what_follows_the_first_value_is_ignored_and_repeated_keys_count_last() -> None:
    assert read_json(b'{"a":1,"a":2} {"b":3}') == {"a": 2}


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000, b'{"a":NaN}'])
def test_monstrous_bodies_are_malformed_and_harm_nobody(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        read_json(body)


@pytest.mark.parametrize(
    ("path", "base", "absolute"),
    [
        ("a", "/", "/a"),
        ("//a///b/", "/", "/a/b"),
        ("../x", "/a/b", "/a/x"),
        ("/x", "/a", "/x"),
        ("../../..", "/a", "/"),
    ],
)
def test_ids_are_made_absolute(path: str, base: str, absolute: str) -> None:
    assert absolute_id(path, base) == absolute


def test_a_thousand_million_instances_are_refused() -> None:
    with pytest.raises(InvalidDefinition) as caught:
        read_app({"id": "/x", "cmd": "sleep 1", "instances": 1_000_000_000}, rules=RULES)
    assert caught.value.body()["details"][0]["path"] == "/instances"


def test_service_ports_are_the_lowest_free_and_stay_with_their_app() -> None:
    app = read_app({"id": "/x", "cmd": "sleep 1", "portDefinitions": [{"port": 0}, {"port": 0}]}, rules=RULES)
    first = assign_service_ports(app, {10000, 10002}, rules=RULES)
    assert service_ports(first) == [10001, 10003]
    again = assign_service_ports({**app, "cmd": "sleep 2"}, {10000}, rules=RULES, before=first)
    assert service_ports(again) == [10001, 10003]
    with pytest.raises(BadRequest, match="already in use"):
        assign_service_ports(app, (), rules=Rules(local_port_min=10000, local_port_max=10001))


def test_a_merge_replaces_members_whole_and_a_replacement_forgets_the_rest() -> None:
    app = read_app({"id": "/x", "cmd": "sleep 1", "env": {"A": "1", "B": "2"}, "user": "root"}, rules=RULES)
    merged = update_app(app, read_app_update({"env": {"A": "3"}}, rules=RULES, app_id="/x"), rules=RULES)
    assert (merged["env"], merged["user"]) == ({"A": "3"}, "root")
    replaced = replace_app(app, read_app_update({"cmd": "sleep 2"}, rules=RULES, app_id="/x"), rules=RULES)
    assert "user" not in replaced
    assert "env" not in replaced


def test_only_the_number_of_instances_is_no_configuration() -> None:
    app = read_app({"id": "/x", "cmd": "sleep 1"}, rules=RULES)
    assert not config_differs(app, {**app, "instances": 5})
    assert config_differs(app, {**app, "labels": {"a": "b"}})


def test_the_version_stands_where_marathon_prints_it() -> None:
    app = read_app({"id": "/x", "cmd": "sleep 1"}, rules=RULES)
    keys = list(app_json(app, version="v", last_scaling_at="s", last_config_change_at="c"))
    assert keys[keys.index("upgradeStrategy") + 1 :][:3] == ["version", "versionInfo", "killSelection"]


def test_a_cycle_and_an_app_that_is_a_group_are_refused() -> None:
    def app(app_id: str, *dependencies: str) -> dict[str, Any]:
        return read_app({"id": app_id, "cmd": "sleep 1", "dependencies": list(dependencies)}, rules=RULES)

    validate_root({"/a": app("/a", "/b"), "/b": app("/b", "/absent")})
    with pytest.raises(InvalidDefinition, match="Object is not valid"):
        validate_root({"/a": app("/a", "/b"), "/b": app("/b", "/a")})
    with pytest.raises(InvalidDefinition):
        validate_root({"/a": app("/a"), "/a/b": app("/a/b")})


BASE = {"id": "/x", "cmd": "sleep 1", "instances": 0}
UNDEFINED = "references an undefined secret"
NOT_ENABLED = "Feature secrets is not enabled. Enable with --enable_features secrets)"


@pytest.mark.parametrize(
    ("members", "details"),
    [
        (
            {"env": {"a": {"secret": ""}}},
            {
                "/env": ["use of secret-references in the environment requires the secrets feature to be enabled"],
                "/env/a/secret": [UNDEFINED],
            },
        ),
        ({"secrets": {"": {"source": "x"}}}, {"/secrets": [NOT_ENABLED]}),
        (
            {"instances": 2, "labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}},
            {"/": ["Single instance app may only have one instance"]},
        ),
        (
            {"instances": 1, "labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}},
            {
                "/isSingleInstance": ["must be false"],
                "/upgradeStrategy/maximumOverCapacity": ["got 1.0, expected 0.0"],
                "/upgradeStrategy/minimumHealthCapacity": ["got 1.0, expected 0.0"],
            },
        ),
        (
            {"container": {"type": "MESOS", "volumes": [{"containerPath": "a", "secret": "s"}]}},
            {
                "/container/secretVolumes(container)": ["must be empty", NOT_ENABLED],
                "/container/volumes(0)": ["volume.secret must refer to an existing secret"],
            },
        ),
    ],
)
def test_all_that_is_wrong_is_told_together(members: dict[str, Any], details: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        read_app({**BASE, **members}, rules=RULES)
    assert {detail.path: list(detail.errors) for detail in raised.value.details} == details


def test_residency_without_volumes_has_no_effect() -> None:
    app = read_app({**BASE, "residency": {"taskLostBehavior": "WAIT_FOREVER"}}, rules=RULES)
    assert "residency" not in app
    assert app["upgradeStrategy"] == {"maximumOverCapacity": 1.0, "minimumHealthCapacity": 1.0}


def test_an_update_of_the_networks_drops_the_port_mappings() -> None:
    container = {"type": "MESOS", "docker": {"image": "a"}, "portMappings": [{"containerPort": 80, "name": "web"}]}
    app = read_app({**BASE, "container": container, "networks": [{"mode": "container", "name": "dcos"}]}, rules=RULES)
    networks = [{"mode": "container", "name": "dcos", "labels": {"k": "x"}}]
    updated = update_app(app, read_app_update({"networks": networks}, rules=RULES, app_id="/x"), rules=RULES)
    assert updated["container"]["portMappings"] == [
        {"containerPort": 0, "labels": {}, "name": "default", "protocol": "tcp", "servicePort": 0}
    ]
    assert "docker" not in updated["container"]


def test_an_update_of_uris_is_judged_as_fetch() -> None:
    update = read_app_update({"uris": [" "]}, rules=RULES, app_id="/x")
    with pytest.raises(InvalidDefinition) as raised:
        update_app(read_app(BASE, rules=RULES), update, rules=RULES)
    assert [detail.path for detail in raised.value.details] == ["/fetch(0)/uri"]


def test_a_list_update_says_which_item_is_wrong() -> None:
    with pytest.raises(InvalidJson) as raised:
        read_app_list_update([{"id": "/a"}, {"id": "/b", "cpus": -1}], rules=RULES)
    assert [detail.path for detail in raised.value.details] == ["(1)/cpus"]


def test_a_dependency_on_its_own_group_is_a_cycle() -> None:
    app = read_app({**BASE, "dependencies": [""]}, rules=RULES)
    with pytest.raises(InvalidDefinition, match="not valid") as raised:
        validate_root({"/x": app})
    assert raised.value.details[0].errors == ("Dependency graph has cyclic dependencies.",)


EXTERNAL = Rules(enabled_features=frozenset({"external_volumes"}))


def test_a_dvdi_volume_is_for_one_instance() -> None:
    external = {"name": "v1", "provider": "dvdi", "options": {"dvdi/driver": "rexray"}}
    container = {"type": "MESOS", "volumes": [{"containerPath": "vol", "mode": "RW", "external": external}]}
    with pytest.raises(InvalidDefinition) as raised:
        read_app({**BASE, "instances": 2, "container": container}, rules=EXTERNAL)
    [detail] = raised.value.details
    assert detail.path == "/"
    assert detail.errors[0].startswith("Number of instances is limited to 1 when declaring DVDI volumes in app [")


def test_empty_options_of_a_csi_volume_are_not_printed() -> None:
    capability = {"accessType": "mount", "accessMode": "SINGLE_NODE_WRITER", "fsType": "", "mountFlags": []}
    empty = {"nodeStageSecret": {}, "nodePublishSecret": {}, "volumeContext": {}}
    external = {"provider": "csi", "name": "v", "options": {"pluginName": "p", "capability": capability, **empty}}
    container = {"type": "MESOS", "volumes": [{"containerPath": "vol", "mode": "RW", "external": external}]}
    app = read_app({**BASE, "container": container}, rules=EXTERNAL)
    kept = {"accessType": "mount", "accessMode": "SINGLE_NODE_WRITER", "fsType": ""}
    assert app["container"]["volumes"][0]["external"]["options"] == {"pluginName": "p", "capability": kept}
