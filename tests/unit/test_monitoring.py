"""Alerts and dashboard speak of metrics that there are, can be parsed, and each alert says what to do."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import promql_parser
import pytest
import yaml

from netheal.metrics import JOB_METRICS, METRICS, page
from netheal.settings import PROJECT_ROOT, load_settings
from netheal.settings.load import outside_fields, variable

RUNBOOK = (PROJECT_ROOT / "docs/runbook.md").read_text("utf-8")
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROJECT_ROOT / "conf/prometheus/alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((PROJECT_ROOT / "conf/grafana/dashboards/netheal.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [t["expr"] for panel in PANELS for t in panel.get("targets", ())]
LABELS = {name: {*metric.labels, "le"} for metric in (*METRICS, *JOB_METRICS) for name in metric.series}
OF_PROMETHEUS = {"job", "instance"}


def selectors(found: Any) -> Iterator[Any]:
    """Every series that an expression selects."""
    if isinstance(found, promql_parser.VectorSelector):
        yield found
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        if hasattr(found, name):
            yield from selectors(getattr(found, name))
    for argument in getattr(found, "args", ()):
        yield from selectors(argument)


def grouped_by(found: Any) -> Iterator[str]:
    """Every label that an expression sums by."""
    if isinstance(found, promql_parser.AggregateExpr) and found.modifier is not None:
        yield from found.modifier.labels
    for name in ("expr", "lhs", "rhs"):
        if hasattr(found, name):
            yield from grouped_by(getattr(found, name))
    for argument in getattr(found, "args", ()):
        yield from grouped_by(argument)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_selects_series_that_there_are_by_labels_that_they_have(expression: str) -> None:
    parsed = promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    found = list(selectors(parsed))
    assert found
    for selector in found:
        assert selector.name == "up" or selector.name in LABELS, f"there is no series {selector.name}"
        known = LABELS.get(selector.name, set()) | OF_PROMETHEUS
        assert {matcher.name for matcher in selector.matchers.matchers} <= known
        assert set(grouped_by(parsed)) <= known


def test_every_alert_has_its_section_in_the_runbook_and_the_other_way_round() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)
    assert sections == [rule["alert"] for rule in ALERTS]
    for rule in ALERTS:
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_the_runbook_names_settings_and_files_that_there_are() -> None:
    known = {variable(name) for name in outside_fields()}
    assert set(re.findall(r"NETHEAL_[A-Z_]+", RUNBOOK)) <= known
    assert load_settings().paths.log_dir.parts[-2:] == ("var", "log")


def test_grafana_can_show_the_dashboard() -> None:
    assert DASHBOARD["uid"] and DASHBOARD["title"] and DASHBOARD["schemaVersion"] >= 36
    assert "datasource" in {variable["type"] for variable in DASHBOARD["templating"]["list"]}
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["title"]
        if panel["type"] != "row":
            refs = [target["refId"] for target in panel["targets"]]
            assert refs and len(set(refs)) == len(refs)
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_no_panel_covers_another() -> None:
    for a, b in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    assert all(place["x"] + place["w"] <= 24 for place in (panel["gridPos"] for panel in PANELS))


def test_the_page_of_metrics_is_up_to_date() -> None:
    told = "python -m netheal.metrics > docs/metrics.md"
    assert (PROJECT_ROOT / "docs/metrics.md").read_text("utf-8") == page(), told
