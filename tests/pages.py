"""The generated pages of the docs, from the code and the recorded results they speak of.

python -m tests.pages write
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.settings import MARATHON_FLAGS_WITHOUT_EFFECT, settings
from tests.outcomes import rows
from translators.kubernetes.verdicts import markdown

__all__ = ["pages"]

ROOT = Path(__file__).parents[1]
REPLAY = ROOT / "tests/golden/results.json"
OUTCOMES = ROOT / "tests/outcomes.json"


def pages() -> dict[Path, str]:
    return {ROOT / "docs/settings.md": _settings(), ROOT / "docs/compatibility.md": _compatibility()}


def _settings() -> str:
    lines = [
        "# Settings",
        "",
        "This page is generated from `gateway/settings.py`; `scripts/docs` writes it.",
        "",
        "A value comes from a flag of `mgw serve` and `mgw dev` (`_` and `-` are the same), an environment variable, the TOML file named by `--config` or `MGW_CONFIG`, or the default, in this order.",
        "Where Marathon has a flag of the same meaning, the setting has its name and its `MARATHON_*` variable.",
        "A value that cannot be used stops the start with one line.",
        "",
        "| setting | default | meaning | variables |",
        "|---|---|---|---|",
    ]
    for setting in settings():
        default = "" if setting.default in ("", None, (), {}) else f"`{_shown(setting.default)}`"
        variables = ", ".join(f"`{name}`" for name in setting.variables)
        lines.append(f"| `{setting.name}` | {default} | {setting.description.replace('|', '&#124;')} | {variables} |")
    lines += [
        "",
        "`--listen HOST:PORT` is `http_address` and `http_port` in one.",
        "",
        "## Marathon's flags that have no effect here",
        "",
        "They are accepted, and named in a warning with the reason.",
        "",
        "| reason | flags |",
        "|---|---|",
    ]
    reasons: dict[str, list[str]] = {}
    for name, reason in MARATHON_FLAGS_WITHOUT_EFFECT.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    lines += [f"| {reason} | {', '.join(names)} |" for reason, names in reasons.items()]
    return "\n".join(lines) + "\n"


def _shown(default: object) -> str:
    if isinstance(default, dict):
        return ",".join(f"{key}={value}" for key, value in default.items())
    return str(default)


def _compatibility() -> str:
    lines = [
        "# Compatibility",
        "",
        "This page is generated: the tables of fields from `translators/kubernetes/verdicts.py`, the replay from `tests/golden/results.json`, the suites from `tests/outcomes.json`; `scripts/docs` writes it.",
        "",
        *_proofs(),
        "## Clients",
        "",
        "Run unmodified, the first three on the simulator and on a real control plane, by `scripts/test` (`tests/clients`):",
        "",
        "| client | what is driven |",
        "|---|---|",
        "| marathon-python 0.13.0 | every method of its client; event callbacks, which current Marathons no longer have, are answered 404 |",
        "| DC/OS CLI 0.6.1 | `cluster setup`, `marathon about`, all `app`, `task` and `deployment` commands |",
        "| Prometheus | `marathon_sd_configs`: discovery and scraping |",
        "| kubectl | the embedded cluster: apply, get, wait, scale, label, logs, delete, custom resources |",
        "",
        "## Answers of a real Marathon 1.11.24, asked again",
        "",
        "Recorded requests are replayed against `mgw dev` with default settings (`python -m tests.golden.replay URL SCENARIO`).",
        "`mended` is a 5xx of the real one to a client's mistake that is a 4xx with a JSON message here.",
        "",
        "| scenario | answers | equal | mended | different |",
        "|---|---|---|---|---|",
    ]
    results = json.loads(REPLAY.read_text(encoding="utf-8")) if REPLAY.exists() else {}
    for scenario, row in results.items():
        lines.append(f"| {scenario} | {row['answers']} | {row['equal']} | {row['mended']} | {len(row['different'])} |")
    lines += ["", "What differs, and why:", "", "| scenario | answers | reason |", "|---|---|---|"]
    for scenario, row in results.items():
        by_reason: dict[str, list[str]] = {}
        for name in row["different"]:
            by_reason.setdefault(_reason(scenario, name), []).append(name)
        lines += [f"| {scenario} | {'; '.join(names)} | {reason} |" for reason, names in by_reason.items()]
    return (
        "\n".join(lines) + "\n\n" + markdown().replace("# ", "## ", 1)
        if results
        else "\n".join(lines) + "\n\n" + markdown()
    )


def _proofs() -> list[str]:
    """Which suite passed where, once a whole run has been recorded."""
    if not OUTCOMES.exists():
        return []
    clusters = {"simulator": "simulator", "kwok": "API server with kwok", "containers": "real containers"}
    lines = [
        "## Proven on",
        "",
        "Tests that passed, by suite and by the cluster they ran on (`MGW_TEST_OUTCOMES=tests/outcomes.json scripts/test` records them).",
        "An API server with kwok is etcd, kube-apiserver, its controllers and scheduler, all of them real, with nodes that run nothing.",
        "",
        f"| suite | {' | '.join(clusters.values())} |",
        "|---|---|---|---|",
    ]
    outcomes = json.loads(OUTCOMES.read_text(encoding="utf-8"))
    for suite, counts in rows(outcomes).items():
        lines.append(f"| `{suite}` | {' | '.join(_counted(counts.get(cluster, {})) for cluster in clusters)} |")
    return [*lines, ""]


def _counted(counts: Mapping[str, int]) -> str:
    """`12`, or what did not pass beside it."""
    rest = [f"{counts[word]} {word}" for word in ("failed", "skipped") if counts.get(word)]
    return ", ".join([str(counts["passed"]), *rest]) if counts else ""


# Why an answer may differ: the first text that its name contains. Reviewed by hand; a name without a reason fails the test.
REASONS: tuple[tuple[str, str, str], ...] = (
    ("01", "info", "The recorded server had `--min_revive_offers_interval 100`; without it a Marathon says 5000."),
    ("01", "ui/", "A path that is not served has a JSON message."),
    ("01", "public", "The RAML files of Marathon are not served; there are no HTML pages."),
    ("01", "logging get", "The loggers are those of the gateway."),
    ("03", "deployments", "A matter of milliseconds: the step had begun already."),
    ("03", "version", "Versions of an app that was deleted and made again begin anew."),
    ("03", "kill one task", "The task's id is read on the side; no answer before told it."),
    ("03", "POST tasks/delete bad json", "The parser's own words."),
    ("03", "POST tasks/delete empty body", "The parser's own words."),
    ("03", "POST tasks/delete", "The tasks' ids are read on the side; no answer before told them."),
    (
        "03",
        "",
        "Follows from a step whose task ids no answer told, or the task's version: pods are stamped in whole seconds.",
    ),
    ("07", "deployments", "A matter of milliseconds: the step had not begun yet."),
    ("07", "with pods", "Pods are refused, as long as the gateway has none; a Marathon passes over them."),
    ("07", "POST group outside", "The place of the group among its siblings: Marathon counts in the order of a hash."),
    ("07", "PUT app path", "The place of the group among its siblings: Marathon counts in the order of a hash."),
    ("26", "empty group stays", "The recording leaves out the deletion of an app that was made in between."),
    ("04", "args", "The command really runs here, and ends."),
    ("04", "docker-cmd", "The command really runs here, and fails without the image."),
    ("04", "fetch", "The URI is really fetched here, and is not there."),
    ("04", "uris", "The URI is really fetched here, and is not there."),
    ("04", "cmd-full2", "The URI is really fetched here, and is not there."),
    ("04", "hc-", "Instance ids have the form `<app>.marathon-<uuid>` unless `task_id_style` is `instance`."),
)


def _reason(scenario: str, name: str) -> str:
    for prefix, part, reason in REASONS:
        if scenario.startswith(prefix) and part in name:
            return reason
    return ""


def main() -> None:
    if sys.argv[1:] != ["write"]:
        sys.exit(__doc__)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
