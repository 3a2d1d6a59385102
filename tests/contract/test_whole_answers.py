"""Whole answers: status, headers and every byte of the body that is not of the moment, as a real API server gave them.

conversations.json has the requests, a line each, and the answers of Kubernetes 1.35.4 beside them; `python -m tests.contract.record`
asks a real server again and writes them anew.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cases import filled, names_of, send
from tests.contract.client import Client
from tests.contract.servers import Paths
from tests.contract.whole import answer_of

CONVERSATIONS = json.loads(Path(__file__).with_name("conversations.json").read_text())


@pytest.mark.parametrize("case", CONVERSATIONS, ids=[case["name"] for case in CONVERSATIONS])
def test_every_answer_is_that_of_a_real_server(kube: Client, ns: Paths, n: str, case: dict[str, Any]) -> None:
    names = names_of(ns, n)
    kept = {"n": n, "ns": ns.name}
    for raw in case["steps"]:
        step = filled({key: value for key, value in raw.items() if key != "answer"}, names)
        got = answer_of(send(kube, step, n), kept, step.get("ignore", ()))
        assert (raw["do"], got) == (raw["do"], raw["answer"])
