"""Quantities are the numbers that Kubernetes means by them."""

import pytest

from gateway.simulator.scheduling.quantities import amount, requests


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", 0.5),
        ("2", 2.0),
        ("0.1", 0.1),
        ("1Gi", 2.0**30),
        ("128Mi", 2.0**27),
        ("1k", 1000.0),
        ("1e3", 1000.0),
        ("1E", 1e18),
        (3, 3.0),
        ("x", 0.0),
    ],
)
def test_amounts(text: str | int, number: float) -> None:
    assert amount(text) == pytest.approx(number)


def test_a_pod_asks_for_its_containers_together_or_its_largest_init_container() -> None:
    def asking(cpu: str) -> dict[str, object]:
        return {"resources": {"requests": {"cpu": cpu}}}

    spec = {"containers": [asking("1"), asking("500m")], "initContainers": [asking("2"), asking("1")]}
    assert requests({"spec": spec}) == {"cpu": 2.0}


def test_a_limit_alone_is_a_request() -> None:
    assert requests({"spec": {"containers": [{"resources": {"limits": {"memory": "1Ki"}}}]}}) == {"memory": 1024.0}
