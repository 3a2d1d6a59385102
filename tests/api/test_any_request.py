"""Whatever is sent, the answer is never the gateway's own failure."""

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.house import House

_SEGMENTS = st.one_of(
    st.sampled_from(
        ["v2", "apps", "groups", "tasks", "versions", "restart", "delete", "queue", "delay", "deployments", "info",
         "leader", "events", "pods", "plugins", "*", "a", "g", "", ".", "..", "::status", "marathon", "logging", "a;b=1",
         "2023-11-14T22:13:20.000Z", "0001-01-01", "9999-12-31T23:59:59.999-23:59"]
    ),
    st.text(max_size=8).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe="")),
)  # fmt: skip
_PATHS = st.one_of(
    st.lists(_SEGMENTS, max_size=7).map(lambda parts: "/" + "/".join(parts)),
    st.lists(_SEGMENTS, max_size=5).map(lambda parts: "/v2/apps/" + "/".join(parts)),
    st.lists(_SEGMENTS, max_size=4).map(lambda parts: "/v2/groups/" + "/".join(parts)),
)
_QUERIES = st.dictionaries(
    st.sampled_from(
        ["force", "embed", "id", "cmd", "label", "scale", "wipe", "host", "dryRun", "partialUpdate", "status[]"]
    ),
    st.one_of(
        st.sampled_from(["true", "false", "", "app.tasks", "apps.taskStats", "a==b", "a in (b)"]), st.text(max_size=10)
    ),
    max_size=3,
)
_METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"])
_NAMES = st.sampled_from(
    ["id", "cmd", "args", "instances", "cpus", "mem", "ports", "portDefinitions", "container", "docker", "type", "image",
     "networks", "mode", "healthChecks", "protocol", "constraints", "labels", "env", "fetch", "uri", "uris", "apps",
     "groups", "version", "scaleBy", "ids", "upgradeStrategy", "dependencies", "secrets", "residency", "volumes",
     "containerPort", "hostPort", "portMappings", "parameters", "key", "value", "level", "logger"]
)  # fmt: skip
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
    st.sampled_from(["/a", "/g/b", "DOCKER", "HTTP", "host", "sleep 1", "UNIQUE", "2023-11-14T22:13:20.000Z"]),
)  # fmt: skip
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5), max_leaves=15
)
_APPS = st.builds(
    lambda app, more: {**app, **more},
    st.just({"id": "/g/x", "cmd": "true"}),
    st.dictionaries(_NAMES, _VALUES, max_size=3),
)
_BODIES = st.one_of(
    st.just(b""), st.binary(max_size=30), _APPS.map(lambda v: json.dumps(v).encode()),
    _APPS.map(lambda v: json.dumps([v]).encode()), _APPS.map(lambda v: json.dumps({"apps": [v]}).encode()),
    _VALUES.map(lambda v: json.dumps(v).encode()),
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests=st.lists(st.tuples(_METHODS, _PATHS, _QUERIES, _BODIES), min_size=1, max_size=4))
async def test_no_request_fails_the_gateway(requests: list[tuple[str, str, dict[str, str], bytes]]) -> None:
    async with House() as house:
        await house.post_app("/a", labels={"a": "b"})
        await house.post_app("/g/b")
        for method, path, query, body in requests:
            answer = await house.client.request(method, f"http://marathon{path}", params=query, content=body)
            assert answer.status_code < 500, (method, path, query, body, answer.text)
            if answer.status_code >= 400 and method != "HEAD":
                assert "message" in answer.json() or "title" in answer.json()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=_BODIES,
    target=st.sampled_from(
        [
            ("POST", "/v2/apps"),
            ("PUT", "/v2/apps/a"),
            ("PUT", "/v2/apps"),
            ("PUT", "/v2/groups/g"),
            ("POST", "/v2/tasks/delete"),
        ]
    ),
)
async def test_no_body_fails_the_gateway(body: bytes, target: tuple[str, str]) -> None:
    async with House() as house:
        await house.post_app("/a")
        answer = await house.client.request(*target, params={"force": "true"}, content=body)
        assert answer.status_code < 500, (target, body, answer.text)
