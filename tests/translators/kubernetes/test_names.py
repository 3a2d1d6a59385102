import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.kubernetes.names import (
    app_object_name,
    config_hash,
    deployment_name,
    id_hash,
    instance_id,
    revision_name,
    task_id,
    task_id_template,
)

UID = "c3a1f7d0-07a0-41ef-8d2b-0242ac110002"
SEGMENT = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?", fullmatch=True)
IDS = st.lists(SEGMENT, min_size=1, max_size=6).map(lambda segments: "/" + "/".join(segments))


@pytest.mark.parametrize(
    ("app_id", "name"),
    [
        ("/product/service/my-app", "product-service-my-app-o2pbmmmh"),
        ("/a-b/c", "a-b-c-7rkwcplv"),
        ("/a/b-c", "a-b-c-ne5bvdnu"),
        ("/httpserver", "httpserver-kxff7gdq"),
        ("/all.to-9gether/now-huh12/nest/nest", "all-to-9gether-now-huh12-nest-nest-oammeoz3"),
        ("/product/service/" + 80 * "x", "product-service-xxxxxxxxxxxxxxxxxxxxx-ykviz6uo"),
    ],
)
def test_names_are_those_of_the_published_vectors(app_id: str, name: str) -> None:
    assert app_object_name(app_id) == name


@given(IDS)
def test_names_are_dns_labels_that_leave_room_for_pod_suffixes(app_id: str) -> None:
    for name in (app_object_name(app_id), deployment_name(app_id, "2024-05-01T10:00:00.000Z")):
        assert len(name) <= 46
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)


@given(IDS, IDS)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    assert (app_object_name(one) == app_object_name(other)) == (one == other)


def test_a_deployment_name_has_both_hashes() -> None:
    version = "2024-05-01T10:00:00.000Z"
    assert deployment_name("/a/b", version) == f"a-b-{id_hash('/a/b')}-{config_hash(version)}"


def test_a_revision_is_named_by_the_digits_of_its_version() -> None:
    assert revision_name("httpserver-kxff7gdq", "2024-05-01T10:00:00.000Z") == "httpserver-kxff7gdq-20240501100000000"


def test_the_first_task_of_a_pod_has_the_uid_of_the_pod_in_both_styles() -> None:
    assert task_id("/prod/web", UID) == f"prod_web.{UID}"
    assert instance_id("/prod/web", UID) == f"prod_web.marathon-{UID}"
    assert task_id("/prod/web", UID, style="instance") == f"prod_web.instance-{UID}._app.1"
    assert task_id_template("/prod/web", "POD_UID").replace("$(POD_UID)", UID) == task_id("/prod/web", UID)


def test_each_restart_is_a_new_task_id_that_is_always_the_same() -> None:
    ids = [task_id("/a", UID, n) for n in range(1, 5)]
    assert len(set(ids)) == 4
    assert ids == [task_id("/a", UID, n) for n in range(1, 5)]
    assert task_id("/a", UID, 3, style="instance") == f"a.instance-{UID}._app.3"
    assert instance_id("/a", UID, 3).removeprefix("a.marathon-") == task_id("/a", UID, 3).removeprefix("a.")
