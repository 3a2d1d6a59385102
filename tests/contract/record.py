"""Asks a real API server every request of conversations.json and writes its answers beside them: `python -m tests.contract.record`."""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

from tests.contract.cases import filled, names_of, send
from tests.contract.client import Client
from tests.contract.conftest import THINGS
from tests.contract.servers import Paths
from tests.contract.whole import answer_of
from tests.controlplane.binaries import find, why_missing
from tests.controlplane.cluster import ControlPlane
from tests.processes import eventually

FILE = Path(__file__).with_name("conversations.json")


def record(kube: Client, cases: list[dict[str, Any]]) -> None:
    ns, numbers = Paths("recorded"), itertools.count(1)
    kube.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", THINGS)
    kube.post("/api/v1/namespaces", {"metadata": {"name": ns.name}})
    eventually(
        lambda: kube.get(ns.things).status_code == kube.get(f"{ns.core}/serviceaccounts/default").status_code == 200
    )
    for case in cases:
        n = f"name-{next(numbers):06d}"
        for step in case["steps"]:
            step.pop("answer", None)
            done = filled(step, names_of(ns, n))
            step["answer"] = answer_of(send(kube, done, n), {"n": n, "ns": ns.name}, step.get("ignore", ()))


def write(cases: list[dict[str, Any]]) -> None:
    """A line a step, so that a change of one answer is a change of one line."""
    lines = []
    for case in cases:
        steps = ",\n  ".join(json.dumps(step, ensure_ascii=False) for step in case["steps"])
        lines.append(f' {{"name": {json.dumps(case["name"])}, "steps": [\n  {steps}]}}')
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def main() -> None:
    argparse.ArgumentParser(prog="python -m tests.contract.record", description=__doc__).parse_args()
    binaries = find()
    if binaries is None:
        raise SystemExit(why_missing())
    cases = json.loads(FILE.read_text())
    with ControlPlane(binaries, controllers=True) as real:
        kube = Client(real.url, real.token, str(real.ca))
        record(kube, cases)
        kube.close()
    write(cases)


if __name__ == "__main__":
    main()
