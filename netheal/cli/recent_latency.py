"""The latency of the last minutes, read from the metrics of the job that runs here."""

import requests
from prometheus_client.parser import text_string_to_metric_families

from netheal.metrics import JOB_RECENT_LATENCY

_BOUND_S = 6.0


def read_recent_latency(url: str) -> dict[str, float]:
    """Quantile, as `0.95` -> seconds; nothing where the metrics do not answer, or no row was scored lately."""
    if not url:
        return {}
    try:
        text = requests.get(url, timeout=_BOUND_S).text
    except requests.RequestException:
        return {}
    families = (f for f in text_string_to_metric_families(text) if f.name == JOB_RECENT_LATENCY.name)
    return {sample.labels["quantile"]: sample.value for family in families for sample in family.samples}
