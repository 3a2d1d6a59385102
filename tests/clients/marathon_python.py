"""Calls every method of marathon-python's client and prints what came of each, one JSON object a line.

Runs in the client's own environment: `python marathon_python.py http://HOST:PORT`.
"""

import inspect
import json
import sys
import threading
import time

from marathon import MarathonClient
from marathon.models import MarathonApp, MarathonGroup

URL = sys.argv[1]
client = MarathonClient(URL)
called = set()


def call(name, *args, **kwargs):
    called.add(name)
    try:
        answer = getattr(client, name)(*args, **kwargs)
    except Exception as error:  # what the client makes of an answer is the result
        print(json.dumps({"method": name, "error": type(error).__name__, "text": str(error)}), flush=True)
        return None
    print(json.dumps({"method": name, "answer": shown(answer)}, default=str), flush=True)
    return answer


def shown(answer):
    if isinstance(answer, list):
        return [shown(item) for item in answer]
    if isinstance(answer, bytes):
        return answer.decode()
    return answer.json_repr(minimal=True) if hasattr(answer, "json_repr") else answer


def settled(seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not client.list_deployments():
            return
        time.sleep(0.1)
    raise SystemExit("deployments did not end")


def running(app_id, count, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if client.get_app(app_id).tasks_running == count:
            return
        time.sleep(0.1)
    raise SystemExit(f"{app_id} does not run {count} tasks")


def gone(app_id, task_id, seconds=30):
    """A killed task is listed until it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if task_id not in [task.id for task in client.list_tasks(app_id)]:
            return
        time.sleep(0.1)
    raise SystemExit(f"{task_id} did not end")


events = []
listening = threading.Event()


def listen():
    for event in MarathonClient(URL).event_stream():
        events.append(event.event_type)
        listening.set()


threading.Thread(target=listen, daemon=True).start()
listening.wait(10)
called.add("event_stream")

call("ping")
call("get_info")
call("get_leader")
call("get_metrics")
call("list_event_subscriptions")
call("create_event_subscription", "http://127.0.0.1:1/callback")
call("delete_event_subscription", "http://127.0.0.1:1/callback")

app = MarathonApp(cmd="sleep 1000", cpus=0.1, mem=32, instances=2, labels={"team": "a"})
call("create_app", "/py/web", app)
settled()
running("/py/web", 2)
call("list_apps", embed_tasks=True, embed_counts=True, embed_deployments=True, embed_readiness=True,
     embed_last_task_failure=True, embed_failures=True, embed_task_stats=True)  # fmt: skip
call("list_apps", cmd="sleep", app_id="py", label="team==a")
call("get_app", "/py/web", embed_tasks=True, embed_counts=True, embed_deployments=True, embed_readiness=True,
     embed_last_task_failure=True, embed_failures=True, embed_task_stats=True)  # fmt: skip
call("list_tasks")
tasks = call("list_tasks", "/py/web")
call("list_endpoints")
call("list_queue", embed_last_unused_offers=True)
call("scale_app", "/py/web", instances=3)
settled()
call("scale_app", "/py/web", delta=-1)
settled()
fresh = client.get_app("/py/web")
fresh.env = {"A": "b"}
call("update_app", "/py/web", fresh)
settled()
versions = call("list_versions", "/py/web")
call("get_version", "/py/web", versions[-1])
call("rollback_app", "/py/web", versions[-1])
settled()
call(
    "update_apps",
    [MarathonApp(id="/py/web", labels={"team": "b"}), MarathonApp(id="/py/job", cmd="sleep 1000", instances=1)],
)
settled()
call("restart_app", "/py/web")
call("list_deployments")
settled()
running("/py/web", 2)
victim = client.list_tasks("/py/web")[0].id
call("kill_task", "/py/web", victim)
gone("/py/web", victim)
running("/py/web", 2)
call("kill_given_tasks", [client.list_tasks("/py/web")[0].id], scale=True)
settled()
call("kill_tasks", "/py/web", host="127.0.0.99")
call("kill_tasks", "/py/web")
running("/py/web", 1)
call("create_app", "/py/stuck", MarathonApp(cmd="sleep 1000", cpus=100000, instances=1))
call("list_queue")
call("reset_delay", "/py/stuck")
call("delete_deployment", client.list_deployments()[0].id, force=True)
settled()
call("delete_app", "/py/stuck", force=True)
settled()
call("create_group", MarathonGroup(id="/team", apps=[MarathonApp(id="/team/one", cmd="sleep 1000", instances=1)]))
settled()
call("list_groups")
call("get_group", "/team")
call("update_group", "/team", MarathonGroup(apps=[MarathonApp(id="/team/one", cmd="sleep 1001", instances=1)]))
settled()
call("scale_group", "/team", 2)
settled()
call("rollback_group", "/team", client.get_group("/team").version)
settled()
call("delete_group", "/team", force=True)
settled()
call("delete_app", "/py/web")
call("delete_app", "/py/job")
settled()
call("delete_leader")

public = {name for name, _ in inspect.getmembers(MarathonClient, inspect.isfunction) if not name.startswith("_")}
print(json.dumps({"method": "*", "uncalled": sorted(public - called), "events": sorted(set(events))}), flush=True)
