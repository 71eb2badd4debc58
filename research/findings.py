"""The sections of a model card, what the model misses first; every figure is of the run that made the model."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netheal.bundles.served import ServedBundle
from netheal.contracts.verdict import NOVELTY
from netheal.drift.window import ALARM_PSI, NOTE_PSI
from research import card
from research.tables import DataFile, Dropped

Document = Mapping[str, Any]
_MISSED = 0.9
"""A class of which less is found is named at the top."""

MISSED_TITLE = "## What it misses"
CALIBRATION_TITLE = "## Calibration"
_KINDS = {
    "vote_share": "a **vote share**, no probability: how much the training agrees, not how likely the answer is right",
    "probability": "what the model estimates as a **probability**",
}

_NOVELTY_SAYS = (
    "Where benign rows are marked about as often as missed attacks are, novelty says that the traffic is new to the"
    " model (another meter, another service), not that it is an attack."
)

_PACKAGES = ("numpy", "scikit-learn", "onnx", "onnxruntime")


def sections(bundle: ServedBundle, introduction: str, assessed: Document, data_set: str, benign: str) -> Iterator[str]:
    """Everything up to the plain figures."""
    title = "Attack classifier" if bundle.manifest.classes else "Threat detector"
    yield f"# {title} {bundle.manifest.version}"
    yield missed(assessed, benign)
    yield novelty_section(bundle.manifest.confidence_kind, assessed["novelty"])
    yield card.text_section("Traffic in bursts, slow traffic, and use", f"use_{data_set}")
    yield "## What it is\n\n" + introduction
    yield from found_tables(assessed, benign)
    if "spread" in assessed:
        yield spread_section(assessed)
    if "unlike" in assessed:
        yield from unlike_sections(assessed["unlike"], benign)
    yield points_section(assessed["operating_points"])
    yield calibration_section(assessed["parts"])
    yield drift_section(assessed["drift"])
    for name, figures in bundle.manifest.training["figures"].items():
        yield card.figures_section(f"Figures: {name}", figures)


def record(
    bundle: ServedBundle, dropped: Dropped, data_set: str, script: str, options: argparse.Namespace
) -> list[str]:
    """What a reader needs to check it: data, parity, defects, the command."""
    files = [DataFile(**file) for file in bundle.manifest.training["files"]]
    neural = ("tensorflow-cpu", "keras") if options.model == "ensemble" else ()
    return [
        card.data_section(files, dropped),
        card.parity_section(bundle.manifest.parity),
        card.text_section("Known defects of the data", f"defects_{data_set}"),
        card.command_section(script, options.command, [*_PACKAGES, *neural]),
    ]


def missed(assessed: Document, benign: str) -> str:
    """Labels of which least is found, the worst first: part by part, then by models whose training lacked something."""
    lines = []
    for part, measured in assessed["parts"].items():
        shares = {name: one for name, one in measured["found"].items() if name != benign}
        lines.append(f"- {part}: {_least_found(shares)}.")
        lines += _novel(shares, set(assessed["trained_on"]), part)
        lines += [f"- {part}, {name}: {_in_words(one)}." for name, one in measured["bands"].items()]
    if "unlike" in assessed:
        lines.append(f"- attacks that training lacked: {_least_found(assessed['unlike']['families'])}.")
        for name, one in _models(assessed["unlike"]).items():
            shares = {label: found for label, found in one["found_by_label"].items() if label != benign}
            lines.append(f"- {name}: {_least_found(shares)}.")
    return (
        f"{MISSED_TITLE}\n\nThe share of an attack's rows that is called some attack, where it is below"
        f" {_MISSED}:\n\n" + "\n".join(lines)
    )


def _least_found(shares: Mapping[str, Document]) -> str:
    worst = sorted((one["hits"] / one["rows"], name) for name, one in shares.items() if one["rows"])
    named = [f"{name} {value:.2f} of {shares[name]['rows']:,}" for value, name in worst if value < _MISSED]
    return ", ".join(named) or "of every attack at least nine tenths are found"


def _novel(shares: Mapping[str, Document], known: set[str], part: str) -> Iterator[str]:
    """The sums over attacks that were trained on and over those that were not, where there are both."""
    groups = {name: [one for label, one in shares.items() if (label in known) == is_known] for name, is_known in _KNOWN}
    if all(groups.values()):
        both = [f"{name} {sum(o['hits'] for o in g) / sum(o['rows'] for o in g):.3f}" for name, g in groups.items()]
        yield f"- {part}, all rows together: {', '.join(both)}."


def _in_words(one: Document) -> str:
    attacks, quiet = one["found"], one["false_alarms"]
    found = f"{attacks['hits'] / attacks['rows']:.3f} of the attacks are found" if attacks["rows"] else "no attacks"
    alarms = f"{quiet['hits'] / quiet['rows']:.3%} of the benign rows are alarms" if quiet["rows"] else "no benign rows"
    return f"{found}, {alarms}"


_KNOWN = (("attacks trained on", True), ("attacks never trained on", False))


def found_tables(assessed: Document, benign: str) -> Iterator[str]:
    """By label and by band, with Wilson intervals."""
    for part, measured in assessed["parts"].items():
        rows = [[name, *_share(one)] for name, one in measured["found"].items() if name != benign]
        bands = [[name, *_share(one["found"]), *_share(one["false_alarms"])] for name, one in measured["bands"].items()]
        text = f"## Found: {part}\n\n" + card.table(["attack", "rows", "called some attack", "95 % interval"], rows)
        head = ["traffic", "attacks", "found", "95 % interval", "benign", "false alarms", "95 % interval"]
        yield text + ("\n\n" + card.table(head, bands) if bands else "")


def novelty_section(kind: str | None, novelty: Document) -> str:
    """What the confidence is, and how often rows of each kind are marked novel."""
    parts = dict(novelty["parts"]) | {_without(name): one for name, one in novelty.get("sources", {}).items()}
    rows = [
        [part, words, *_share(one[group])]
        for part, one in parts.items()
        for group, words in _MARKED.items()
        if one[group]["rows"]
    ]
    told = [
        f"- {part}: marked novel are {_hits(one['missed'])} attacks that are missed, and {_hits(one['normal'])} benign"
        " rows called benign."
        for part, one in parts.items()
    ]
    limits = []
    if "families" in novelty:
        missed = novelty["families"]["missed"]
        told.append(f"- attacks that training lacked: marked novel are {_hits(missed)} that are missed.")
        limits.append(_limits_table(novelty["families"]["limits"]))
    limit = novelty["limit"]
    marked = (
        "No held-out benign row was called benign: there is no limit, and no row is marked."
        if limit is None
        else f"A row is marked novel above {limit:.4f}, which one in twenty of the held-out benign rows called benign"
        " exceeds: on these the share is chosen, elsewhere it is found."
    )
    confidence = _KINDS.get(kind or "", "of a kind that is not known")
    return "\n\n".join(
        [
            f"## Confidence and novelty\n\nIts score or confidence is {confidence} (see the calibration below).",
            f"**Novelty.** {NOVELTY} {marked}",
            "\n".join(told),
            _NOVELTY_SAYS,
            card.table(["rows", "which", "number", "marked novel", "95 % interval"], rows),
            *limits,
        ]
    )


def _limits_table(limits: Sequence[Document]) -> str:
    rows = [[one["name"], f"{one['mean_marked']:.3f}"] for one in limits]
    return (
        "What a limit marks, by models that each lacked an attack in training: the mean over attacks of which some rows"
        " are missed. Of these limits the first is taken; figures of test files had been seen when it was.\n\n"
        + card.table(["held-out benign rows marked", "missed rows of unseen attacks marked, mean"], rows)
    )


def _hits(one: Document) -> str:
    return (
        f"{one['hits'] / one['rows']:.3f} ({one['hits']:,} of {one['rows']:,})" if one["rows"] else "none (of no rows)"
    )


def _without(source: str) -> str:
    """What a figure is of that a model gave whose training lacked a source."""
    return f"trained without the rows of {source}, measured on them"


_MARKED = {
    "missed": "attacks called benign (missed)",
    "found": "attacks called some attack",
    "normal": "benign rows called benign",
    "false_alarms": "benign rows called some attack",
}


def spread_section(assessed: Document) -> str:
    """Lowest, median and highest over the seeds."""
    rows = [
        [part, name.replace("_", " "), *(f"{one[end]:.4g}" for end in ("lowest", "median", "highest"))]
        for part, figures in assessed["spread"].items()
        for name, one in figures.items()
    ]
    first, runs = assessed["seeds"]["first"], assessed["seeds"]["runs"]
    return (
        f"## Range over {runs} seeds\n\nThe same command with seeds {first} to {first + runs - 1}, each with its own"
        " split.\n\n" + card.table(["part", "figure", "lowest", "median", "highest"], rows)
    )


def unlike_sections(unlike: Document, benign: str) -> Iterator[str]:
    """Models whose training lacked something."""
    rows = [[name, *_share(one)] for name, one in unlike["families"].items()]
    yield "## Attacks that training lacked\n\nEach found by a model trained without any row of it.\n\n" + card.table(
        ["attack", "rows", "called some attack", "95 % interval"], rows
    )
    if "budgets" in unlike:
        rows = [[one["name"], f"{one['threshold']:.4f}", f"{one['mean_found']:.4f}"] for one in unlike["budgets"]]
        yield (
            "What a threshold costs and finds: false alarms among benign rows of groups (services) that training lacked"
            ", and the mean over attacks that training lacked of what is found.\n\n"
            + card.table(["benign rows of unseen groups", "attack score at least", "mean found"], rows)
        )
    whole = _models(unlike)
    rows = [[name, *_share(one["found"]), *_share(one["false_alarms"])] for name, one in whole.items()]
    if "groups" in unlike:
        rows.append(["benign rows of groups (days, services) not trained on", "", "", "", *_share(unlike["groups"])])
    head = ["model", "attacks", "found", "95 % interval", "benign", "false alarms", "95 % interval"]
    if rows:
        yield "## Other meters, later rows, other groups\n\n" + card.table(head, rows)
    for name, one in whole.items():
        rows = [[label, *_share(part)] for label, part in one["found_by_label"].items() if label != benign]
        yield f"By attack, {name}:\n\n" + card.table(["attack", "rows", "called some attack", "95 % interval"], rows)


def _models(unlike: Document) -> dict[str, Document]:
    """Models whose training lacked a source or the last rows, by what they lacked."""
    found = {_without(name): one for name, one in unlike["sources"].items()}
    if "later" in unlike:
        found["trained on what came first, measured on the last fifth by time of every class"] = unlike["later"]
    return found


def points_section(points: Sequence[Document]) -> str:
    """Every operating point in every part."""
    rows = [
        [
            point["name"],
            _threshold(point["threshold"]),
            part,
            *_share(one["false_alarms"])[1:],
            *_share(one["found"])[1:],
        ]
        for point in points
        for part, one in point["parts"].items()
    ]
    head = ["point", "attack score at least", "part", "false alarms", "95 % interval", "found", "95 % interval"]
    return (
        "## Operating points\n\nNamed by the share of all held-out benign rows that are alarms; the threshold is the"
        " lowest that keeps to it. The attack score of a classifier is its votes for any attack.\n\n"
        + card.table(head, rows)
    )


def calibration_section(parts: Document) -> str:
    """Brier score and mean distance, then score against share of attacks."""
    rows = [
        [part, f"{one['calibration']['brier']:.4f}", f"{one['calibration']['calibration_error']:.4f}"]
        for part, one in parts.items()
    ]
    bins = [
        [part, f"{tenth['rows']:,}", f"{tenth['mean_score']:.3f}", f"{tenth['attacks']:.3f}"]
        for part, one in parts.items()
        for tenth in one["calibration"]["bins"]
    ]
    return (
        f"{CALIBRATION_TITLE}\n\n"
        + card.table(["part", "Brier score", "mean distance of score and share of attacks"], rows)
        + "\n\n"
        + card.table(["part", "rows", "mean score", "share of attacks"], bins)
    )


def drift_section(parts: Document) -> str:
    """How far each part lies from the training rows."""
    rows = [
        [
            part,
            f"{one['rows']:,}",
            f"{one['mean_psi']:.3f}",
            one["state"],
            ", ".join(f"`{name.strip()}`" for name in one["features"]),
        ]
        for part, one in parts.items()
    ]
    return (
        "## Drift\n\nHow far the rows of each part lie from those of training: the mean over the features of their"
        f" population stability index. The stream notes {NOTE_PSI} and alarms at {ALARM_PSI} (docs/drift.md).\n\n"
        + card.table(["rows", "number", "mean PSI", "state", "features that moved most"], rows)
    )


def _share(one: Document) -> list[str]:
    value = f"{one['hits'] / one['rows']:.4f}" if one["rows"] else "–"
    return [f"{one['rows']:,}", value, f"{one['low']:.4f}–{one['high']:.4f}"]


def _threshold(value: float | None) -> str:
    return "(its answers)" if value is None else f"{value:.4f}"
