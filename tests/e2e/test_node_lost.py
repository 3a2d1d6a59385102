"""A machine that is gone: its tasks are unreachable, replaced on other nodes, and forgotten when it is back."""

from tests.e2e.marathon import Marathon, until


def test_tasks_of_a_lost_node_are_unreachable_and_replaced(marathon: Marathon) -> None:
    lost = marathon.nodes[2]
    strategy = {"inactiveAfterSeconds": 1, "expungeAfterSeconds": 2}
    tasks = marathon.run(
        id="/lost",
        cmd="exec sleep 1000",
        instances=3,
        constraints=[["hostname", "GROUP_BY"]],
        unreachableStrategy=strategy,
    )
    on_it = {p["status"]["podIP"] for p in marathon.pods("/lost") if p["spec"]["nodeName"] == lost.name}
    (victim,) = [task["id"] for task in tasks if task["host"] in on_it]
    lost.lose()
    try:
        until(lambda: "TASK_UNREACHABLE" in marathon.events.states(victim))
        (shown,) = [task for task in marathon.tasks("/lost") if task["id"] == victim]
        assert shown["state"] == "TASK_UNREACHABLE"

        def replaced() -> bool:
            running = [t for t in marathon.tasks("/lost") if t["state"] == "TASK_RUNNING" and t["id"] != victim]
            return len(running) == 3

        until(replaced)
        assert "lastTaskFailure" not in marathon.app("/lost")
    finally:
        lost.start()
    until(lambda: victim not in [task["id"] for task in marathon.tasks("/lost")])
    assert marathon.events.states(victim)[:3] == ["TASK_STARTING", "TASK_RUNNING", "TASK_UNREACHABLE"]
    until(lambda: len(marathon.tasks("/lost")) == 3)
