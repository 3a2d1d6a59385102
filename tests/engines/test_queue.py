"""`/v2/queue` says of what waits whether a back-off holds it."""

import pytest

from gateway.engines.engine import App
from gateway.engines.kubernetes.queue import queue_item
from tests.events.test_catalogue import an_instance

APP = App(
    id="/a",
    definition={"id": "/a", "instances": 1},
    version="2026-01-01T00:00:00.000Z",
    last_scaling_at="2026-01-01T00:00:00.000Z",
    last_config_change_at="2026-01-01T00:00:00.000Z",
)


@pytest.mark.parametrize(
    "waiting",
    [
        'ImagePullBackOff: Back-off pulling image "x"',
        "ErrImagePull: connection refused",
        "InvalidImageName: must be lowercase",
    ],
)
def test_a_pull_that_failed_is_held_back_though_nobody_says_for_how_long(waiting: str) -> None:
    item = queue_item(APP, [an_instance(condition="Failed", state="TASK_FAILED", waiting=waiting)], now=0)
    assert item is not None
    assert (item.held, item.delay_s) == (True, 0)


def test_a_container_that_is_being_made_is_not_held_back() -> None:
    made = an_instance(condition="Provisioned", state="TASK_STAGING", waiting="ContainerCreating")
    item = queue_item(APP, [made], now=0)
    assert item is not None
    assert not item.held
