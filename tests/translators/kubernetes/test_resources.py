from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translators.kubernetes.platform import Platform
from translators.kubernetes.resources import resources


@pytest.mark.parametrize(
    ("app", "requests", "limits"),
    [
        ({"cpus": 0.5, "mem": 256.0}, {"cpu": "500m", "memory": "256Mi"}, {"memory": "256Mi"}),
        ({"cpus": 0, "mem": 0}, {"cpu": "1m"}, None),
        ({"cpus": 0.29, "mem": 0}, {"cpu": "290m"}, None),
        ({"cpus": 0.0001, "mem": 0}, {"cpu": "1m"}, None),
        ({"cpus": 1, "mem": 1.5}, {"cpu": "1000m", "memory": "1572864"}, {"memory": "1572864"}),
        (
            {"cpus": 1, "mem": 0, "disk": 10.0, "gpus": 2},
            {"cpu": "1000m", "ephemeral-storage": "10Mi", "nvidia.com/gpu": "2"},
            {"nvidia.com/gpu": "2"},
        ),
        (
            {"cpus": 1, "mem": 64, "resourceLimits": {"cpus": 2.0, "mem": 512.0}},
            {"cpu": "1000m", "memory": "64Mi"},
            {"memory": "512Mi", "cpu": "2000m"},
        ),
        (
            {"cpus": 1, "mem": 64, "resourceLimits": {"cpus": "unlimited", "mem": "unlimited"}},
            {"cpu": "1000m", "memory": "64Mi"},
            None,
        ),
    ],
)
def test_amounts_are_requests_and_hard_limits(app: dict[str, Any], requests: Any, limits: Any) -> None:
    found = resources(app, Platform())
    assert (found["requests"], found.get("limits")) == (requests, limits)


@given(st.floats(0.001, 1000, allow_nan=False), st.floats(0.01, 1e6, allow_nan=False))
def test_an_app_never_gets_less_than_it_asked_for(cpus: float, mem: float) -> None:
    requests = resources({"cpus": cpus, "mem": mem}, Platform())["requests"]
    assert int(requests["cpu"].removesuffix("m")) >= cpus * 1000 * (1 - 1e-9)
    memory = requests["memory"]
    amount = int(memory.removesuffix("Mi")) * 1024**2 if memory.endswith("Mi") else int(memory)
    assert amount >= mem * 1024**2 * (1 - 1e-9)
