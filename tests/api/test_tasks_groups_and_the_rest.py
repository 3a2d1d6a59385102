"""Tasks, groups, deployments, the queue, and what is not about apps: one good and one bad answer of each at least."""

import pytest

from gateway.kubernetes.resources import PODS
from tests.api.house import LEADER, House

# Tasks


async def test_tasks_of_an_app_and_of_all_apps_name_their_instance(house: House) -> None:
    (instance,) = await house.deployed("/a")
    (task,) = (await house.client.get("/v2/apps/a/tasks")).json()["tasks"]
    assert (task["id"], task["appId"], task["state"]) == (instance.task_id, "/a", "TASK_RUNNING")
    (listed,) = (await house.client.get("/v2/tasks")).json()["tasks"]
    assert listed["id"] == instance.task_id
    assert (await house.client.get("/v2/tasks?status=staging")).json() == {"tasks": []}
    assert len((await house.client.get("/v2/tasks?status[]=running")).json()["tasks"]) == 1


async def test_tasks_below_a_group_are_listed_with_a_star(house: House) -> None:
    await house.deployed("/g/a", instances=2)
    assert len((await house.client.get("/v2/apps/g/*/tasks")).json()["tasks"]) == 2
    assert len((await house.client.get("/v2/apps/*/tasks")).json()["tasks"]) == 2
    assert (await house.client.get("/v2/apps/no/*/tasks")).status_code == 404


async def test_a_killed_task_is_answered_and_its_pod_gone(house: House) -> None:
    (instance,) = await house.deployed("/a")
    answer = await house.client.delete(f"/v2/apps/a/tasks/{instance.task_id}")
    assert answer.status_code == 200
    assert answer.json()["task"]["id"] == instance.task_id
    assert instance.pod not in [pod.metadata.name for pod in house.cluster.pods.values()]


async def test_killing_with_scale_is_a_deployment_that_makes_the_app_smaller(house: House) -> None:
    first, _ = await house.deployed("/a", instances=2)
    answer = await house.client.delete(f"/v2/apps/a/tasks/{first.task_id}?scale=true")
    assert answer.status_code == 200
    assert answer.headers["Marathon-Deployment-Id"] == answer.json()["deploymentId"]
    assert (await house.client.get("/v2/apps/a")).json()["app"]["instances"] == 1
    await house.roll()
    assert first.uid not in [i.uid for i in house.instances.of("/a")]


async def test_killing_the_tasks_of_one_host_leaves_the_others(house: House) -> None:
    first, second = await house.deployed("/a", instances=2)
    answer = await house.client.delete("/v2/apps/a/tasks?host=nowhere")
    assert answer.json() == {"tasks": []}
    assert {i.uid for i in house.instances.of("/a")} == {first.uid, second.uid}
    assert len((await house.client.delete("/v2/apps/a/tasks")).json()["tasks"]) == 2
    assert not house.instances.of("/a")


async def test_tasks_are_killed_by_id_and_unknown_ones_passed_over(house: House) -> None:
    (instance,) = await house.deployed("/a")
    answer = await house.client.post("/v2/tasks/delete", json={"ids": [instance.task_id, "no.such-task"]})
    assert [task["id"] for task in answer.json()["tasks"]] == [instance.task_id]


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ([], 422), ({"ids": "a.b"}, 422), ({"ids": [1]}, 422), ({"ids": ["nodots"]}, 400), ({"ids": []}, 200)],
)
async def test_a_list_of_task_ids_that_is_none_is_refused(house: House, body: object, status: int) -> None:
    assert (await house.client.post("/v2/tasks/delete", json=body)).status_code == status


async def test_scale_and_wipe_together_are_400(house: House) -> None:
    await house.deployed("/a")
    answer = await house.client.delete("/v2/apps/a/tasks?scale=true&wipe=true")
    assert answer.status_code == 400
    assert answer.json() == {"message": "You cannot use scale and wipe at the same time."}


async def test_a_task_that_is_not_there_is_404(house: House) -> None:
    await house.deployed("/a")
    for path, missing in (("/v2/apps/a/tasks/no.1", "Task 'no.1'"), ("/v2/apps/no/tasks/no.1", "App '/no'")):
        answer = await house.client.delete(path)
        assert (answer.status_code, answer.json()) == (404, {"message": f"{missing} does not exist", "details": []})


# Groups


async def test_a_group_shows_its_apps_and_subgroups(house: House) -> None:
    await house.post_app("/g/a")
    await house.post_app("/g/h/b")
    group = (await house.client.get("/v2/groups/g")).json()
    assert [app["id"] for app in group["apps"]] == ["/g/a"]
    assert [(inner["id"], [app["id"] for app in inner["apps"]]) for inner in group["groups"]] == [("/g/h", ["/g/h/b"])]
    assert group["version"] == max(app.version for app in house.engine.apps())
    bare = (await house.client.get("/v2/groups?embed=group.groups")).json()
    assert (bare["id"], bare["apps"], [inner["id"] for inner in bare["groups"]]) == ("/", [], ["/g"])


async def test_a_created_group_is_201_and_a_second_time_409(house: House) -> None:
    body = {
        "id": "/g",
        "apps": [{"id": "a", "cmd": "true"}],
        "groups": [{"id": "h", "apps": [{"id": "b", "cmd": "true"}]}],
    }
    made = await house.client.post("/v2/groups", json=body)
    assert (made.status_code, made.headers["Location"]) == (201, "http://marathon/g")
    assert [app.id for app in house.engine.apps()] == ["/g/a", "/g/h/b"]
    again = await house.client.post("/v2/groups", json={"id": "/g", "apps": body["apps"]})
    assert (again.status_code, again.json()) == (
        409,
        {"message": "Group /g is already created. Use PUT to change this group."},
    )


async def test_a_dry_run_tells_the_steps_and_takes_none(house: House) -> None:
    answer = await house.client.put("/v2/groups?dryRun=true", json={"apps": [{"id": "a", "cmd": "true"}]})
    assert answer.json() == {
        "steps": [
            {"actions": [{"action": "StartApplication", "app": "/a"}]},
            {"actions": [{"action": "ScaleApplication", "app": "/a"}]},
        ]
    }
    assert house.cluster.writes == []


async def test_group_versions_can_be_listed_read_and_gone_back_to(house: House) -> None:
    await house.deployed("/g/a", instances=1)
    await house.clock.advance(5)
    await house.client.put("/v2/apps/g/a", json={"instances": 3})
    await house.roll()
    newest, oldest = (await house.client.get("/v2/groups/g/versions")).json()
    then = (await house.client.get(f"/v2/groups/g/versions/{oldest}")).json()
    assert [app["instances"] for app in then["apps"]] == [1]
    assert (await house.client.put(f"/v2/groups/g/versions/{oldest}")).status_code == 200
    assert (await house.client.get("/v2/apps/g/a")).json()["app"]["instances"] == 1
    assert (await house.client.get("/v2/groups/g/versions/2015-01-01T00:00:00.000Z")).status_code == 404
    assert newest > oldest


@pytest.mark.parametrize(
    "body",
    [{"scaleBy": "2"}, {"scaleBy": -1}, {"scaleBy": 2, "apps": []}, {"apps": {}}, {"apps": [7]}, {"groups": [{}]},
     {"dependencies": "/x", "apps": []}, {"apps": [{"id": "a"}]}, {"version": "2015-01-01T00:00:00.000Z"},
     {"version": "yesterday"}, {"version": 7}, {"scaleBy": 1e308}, {"scaleBy": 10**400 // 10**10}],
)  # fmt: skip
async def test_a_group_update_that_makes_no_sense_is_422_and_changes_nothing(house: House, body: object) -> None:
    await house.deployed("/g/a")
    before = house.shape()
    answer = await house.client.put("/v2/groups/g", json=body)
    assert answer.status_code == 422, answer.text
    assert house.shape() == before


@pytest.mark.parametrize(
    ("body", "path", "text"),
    [
        ({"id": "/u", "apps": [{"id": "/v/a", "cmd": "true"}]}, "/apps(0)/id", "Identifier is not child of '/u'"),
        ({"id": "/u", "apps": [{"id": "../a", "cmd": "true"}]}, "/apps(0)/id", "Identifier is not child of '/u'"),
        ({"id": "/u", "groups": [{"id": "/v"}]}, "/groups(0)", "Group has to be child of groups with parent id"),
        ({"id": "/Ā", "apps": [{"id": "a", "cmd": "true"}]}, "/id", "error.pattern"),
    ],
)
async def test_a_group_holds_only_what_is_below_it_and_has_an_id_of_marathons_grammar(
    house: House, body: object, path: str, text: str
) -> None:
    answer = await house.client.post("/v2/groups", json=body)
    assert answer.status_code == 422
    (detail,) = answer.json()["details"]
    assert detail["path"] == path
    assert detail["errors"][0].startswith(text)
    assert house.cluster.writes == []


async def test_a_factor_beyond_all_numbers_is_422(house: House) -> None:
    await house.deployed("/g/a", instances=0)
    await house.deployed("/g/b", instances=2)
    before = house.shape()
    answer = await house.client.put("/v2/groups/g", content=b'{"scaleBy": 1e999}')
    assert answer.status_code == 422
    assert house.shape() == before


async def test_a_group_that_is_not_there_is_404(house: House) -> None:
    looked = await house.client.get("/v2/groups/no")
    assert (looked.status_code, looked.json()) == (404, {"message": "Group '/no' does not exist", "details": []})
    deleted = await house.client.delete("/v2/groups/no")
    assert (deleted.status_code, deleted.json()) == (404, {"message": "Group '/no' does not exist"})


async def test_a_deleted_group_takes_its_apps_along(house: House) -> None:
    await house.deployed("/g/a")
    await house.deployed("/h")
    assert (await house.client.delete("/v2/groups/g")).status_code == 200
    assert [app.id for app in house.engine.apps()] == ["/h"]


async def test_the_apps_of_a_group_are_a_bare_list(house: House) -> None:
    await house.post_app("/g/a")
    assert [app["id"] for app in (await house.client.get("/v2/groups/g/apps")).json()] == ["/g/a"]
    assert [app["id"] for app in (await house.client.get("/v2/groups/apps")).json()] == ["/g/a"]


# Deployments and the queue


async def test_a_cancelled_deployment_is_rolled_back_and_answered_with_the_deployment_that_does(house: House) -> None:
    await house.deployed("/a")
    change = (await house.client.put("/v2/apps/a", json={"cmd": "sleep 2"})).json()["deploymentId"]
    answer = await house.client.delete(f"/v2/deployments/{change}")
    assert answer.status_code == 200
    assert answer.json()["deploymentId"] != change
    assert (await house.client.get("/v2/apps/a")).json()["app"]["cmd"] == "sleep 100"


async def test_a_deployment_that_is_stopped_by_force_is_202_without_a_body(house: House) -> None:
    change = (await house.post_app("/a")).headers["Marathon-Deployment-Id"]
    answer = await house.client.delete(f"/v2/deployments/{change}?force=true")
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await house.client.get("/v2/deployments")).json() == []


async def test_a_deployment_that_is_not_there_is_404(house: House) -> None:
    answer = await house.client.delete("/v2/deployments/no")
    assert (answer.status_code, answer.json()) == (404, {"message": "DeploymentPlan no does not exist", "details": []})


async def test_what_waits_is_in_the_queue_and_its_delay_can_be_reset(house: House) -> None:
    await house.post_app("/a", instances=2)
    (item,) = (await house.client.get("/v2/queue")).json()["queue"]
    assert (item["count"], item["app"]["id"], item["delay"]["overdue"]) == (2, "/a", True)
    assert "lastUnusedOffers" not in item
    assert "lastUnusedOffers" in (await house.client.get("/v2/queue?embed=lastUnusedOffers")).json()["queue"][0]
    assert (await house.client.delete("/v2/queue/a/delay")).status_code == 204
    missing = await house.client.delete("/v2/queue/no/delay")
    assert missing.json() == {"message": "Application /no not found in tasks queue.", "details": []}


# Who the gateway is


async def test_the_leader_is_named_and_can_be_told_to_step_down(house: House) -> None:
    assert (await house.client.get("/v2/leader")).json() == {"leader": LEADER}
    info = (await house.client.get("/v2/info")).json()
    assert (info["leader"], info["elected"], info["version"]) == (LEADER, True, "1.11.24")
    assert (await house.client.delete("/v2/leader")).json() == {"message": "Leadership abdicated"}
    for answer in (await house.client.get("/v2/leader"), await house.client.delete("/v2/leader")):
        assert (answer.status_code, answer.json()) == (404, {"message": "There is no leader", "details": []})


@pytest.mark.parametrize(
    ("accept", "status", "body"),
    [
        ("*/*", 200, b"pong"),
        ("text/plain", 200, b"pong"),
        ("application/json", 200, b'"pong"'),
        ("image/png", 204, b""),
    ],
)
async def test_ping_answers_what_the_client_takes(house: House, accept: str, status: int, body: bytes) -> None:
    answer = await house.client.get("/ping", headers={"Accept": accept})
    assert (answer.status_code, answer.content) == (status, body)


async def test_metrics_count_apps_and_instances_in_both_forms(house: House) -> None:
    await house.deployed("/a", instances=2)
    gauges = (await house.client.get("/metrics")).json()["gauges"]
    assert gauges["marathon.instances.running.gauge"] == {"value": 2}
    text = (await house.client.get("/metrics/prometheus")).text
    assert "# TYPE marathon_instances_running_gauge gauge\nmarathon_instances_running_gauge 2\n" in text


async def test_pods_are_none_and_none_can_be_made(house: House) -> None:
    assert (await house.client.get("/v2/pods")).json() == []
    assert (await house.client.get("/v2/pods/x")).status_code == 404
    assert (await house.client.delete("/v2/pods/x")).status_code == 404
    assert (await house.client.post("/v2/pods", json={"id": "/p"})).status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [({"level": "info", "logger": "gateway.test"}, 200), ({"level": "loud", "logger": "x"}, 422), ({"level": "info"}, 422),
     ({"level": "info", "logger": ""}, 422), ([], 422)],
)  # fmt: skip
async def test_a_log_level_is_set_if_it_is_one(house: House, body: object, status: int) -> None:
    assert (await house.client.post("/logging", json=body)).status_code == status
    assert (await house.client.get("/logging")).status_code == 200


async def test_plugins_are_none(house: House) -> None:
    assert (await house.client.get("/v2/plugins")).json() == {"plugins": []}
    assert (await house.client.get("/v2/plugins/x/y")).status_code == 404


@pytest.mark.parametrize("path", ["/", "/ui", "/help", "/api-console"])
async def test_the_pages_of_the_user_interface_are_redirects(house: House, path: str) -> None:
    answer = await house.client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"]


@pytest.mark.parametrize(
    "path",
    ["/dcos-metadata/dcos-version.json", "/dcos-metadata/ui-config.json", "/acs/api/v1/auth/providers", "/capabilities",
     "/mesos/state-summary", "/mesos/master/state-summary", "/pkgpanda/active.buildinfo.full.json", "/metadata",
     "/mesos_dns/v1/hosts/leader.mesos", "/mesos_dns/v1/hosts/other"],
)  # fmt: skip
async def test_what_tools_of_a_dcos_ask_first_is_answered(house: House, path: str) -> None:
    answer = await house.client.get(path)
    assert answer.status_code == 200
    assert answer.json() is not None


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"uid": 7}', b"\xff"])
async def test_a_login_that_cannot_be_read_is_no_failure_of_the_gateway(house: House, body: bytes) -> None:
    assert (await house.client.post("/acs/api/v1/auth/login", content=body)).status_code < 500


async def test_a_failed_task_is_shown_as_the_last_failure(house: House) -> None:
    (instance,) = await house.deployed("/a")
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": "2023-11-14T22:20:00Z"}}
    status = {
        "name": "app",
        "ready": False,
        "restartCount": 1,
        "containerID": "c",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": ended,
    }
    house.cluster.set(PODS, instance.pod, {"status": {"containerStatuses": [status]}})
    failure = (await house.client.get("/v2/apps/a")).json()["app"]["lastTaskFailure"]
    assert (failure["appId"], failure["state"]) == ("/a", "TASK_FAILED")
