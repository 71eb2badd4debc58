"""Sections of the page that need labels, or other models to compare with."""

from collections.abc import Mapping
from typing import Any

from netheal.rescoring.report.charts import calibration_chart, confusion_chart, roc_chart, score_chart
from netheal.rescoring.report.element import Content, Element, element, foreign
from netheal.rescoring.report.sections import Document, plot, section
from netheal.rescoring.report.tables import count, decimals, examples, figures, folded, percent, rows_text, table

_LABELS_SHOWN = 8
_CAVEAT = "A label says what whoever made the file held for true; rows without one are not in these figures."


def comparison(document: Document) -> Element | None:
    """What other models said of the same rows."""
    found = document["comparison"]
    if found is None:
        return None
    name = found["compared_with"] or "the compared models"
    rows = [
        [one["class"], *(count(one[key]) for key in ("before", "now", "gained", "lost"))] for one in found["classes"]
    ]
    return section(
        "Comparison",
        element(
            "p", "“Before” is what ", foreign(name), " says of the same rows, “now” what the models of this run say."
        ),
        figures(
            ("rows compared", count(found["rows"])),
            ("verdict changed", count(found["rows_changed"])),
            ("normal before, attack now", count(found["attack_now"])),
            ("attack before, normal now", count(found["normal_now"])),
        ),
        table(["Verdict", "Rows before", "Rows now", "Gained", "Lost"], rows, (1, 2, 3, 4)),
        element("h3", "Most frequent changes") if found["changes"] else None,
        *(
            folded(f"{one['before']} → {one['now']}: {rows_text(one['rows'])}", examples(one["examples"]))
            for one in found["changes"]
        ),
        *(_compared_by_label(found["labelled"]) if found["labelled"] else ()),
    )


def _compared_by_label(found: Mapping[str, Any]) -> list[Element]:
    before, now = found["before"], found["now"]
    rows = [
        ["Accuracy", percent(before["accuracy"]), percent(now["accuracy"])],
        ["Attacks found", percent(before["detected"]), percent(now["detected"])],
        [
            "False alarms per 100,000 normal rows",
            *(f"{one['false_alarms_per_100k_benign']:,.1f}" for one in (before, now)),
        ],
    ]
    gone, new = count(found["false_alarms_gone"]), count(found["false_alarms_new"])
    return [
        element("h3", "Against labels"),
        table(["", "Before", "Now"], rows, (1, 2)),
        element("p", f"False alarms gone: {gone}; new ones: {new}."),
        *_by_label("Missed before, found now", found["missed_before_found_now"]),
        *_by_label("Found before, missed now", found["found_before_missed_now"]),
    ]


def _by_label(title: str, found: Mapping[str, Any]) -> list[Element]:
    """Rows of one kind, by label, with examples; the rare labels are folded."""
    listed = [
        folded(f": {rows_text(one['rows'])}", examples(one["examples"]), name=one["label"]) for one in found["labels"]
    ]
    first, rest = listed[:_LABELS_SHOWN], listed[_LABELS_SHOWN:]
    more = [folded(f"and {len(rest)} more", element("div", *rest, class_="nested"))] if rest else []
    return [element("h3", f"{title}: {rows_text(found['rows'])}"), *first, *more]


def verdicts(document: Document) -> Element | None:
    """All verdicts against labels."""
    found = document["verdicts"]
    if found is None:
        return None
    return section(
        "Verdicts against labels",
        element("p", _CAVEAT, class_="muted"),
        *_two_classes(found),
        *_by_label("Missed attacks", found["missed"]),
        *_by_label("False alarms", found["false_alarms"]),
    )


def _two_classes(found: Mapping[str, Any]) -> list[Element]:
    """Figures of normal against attack."""
    attack, (quiet, loud) = found["classes"]["attack"], found["confusion"]
    return [
        figures(
            ("rows", count(found["rows"])),
            ("accuracy", percent(found["accuracy"])),
            ("precision of attacks", percent(attack["precision"])),
            ("recall of attacks", percent(attack["recall"])),
            ("F1 of attacks", decimals(attack["f1"])),
            ("false alarms per 100,000 normal rows", f"{found['false_alarms_per_100k_benign']:,.1f}"),
        ),
        table(
            ["", "Called normal", "Called attack"],
            [
                ["Labelled normal", count(quiet[0]), count(quiet[1])],
                ["Labelled attack", count(loud[0]), count(loud[1])],
            ],
            (1, 2),
        ),
    ]


def threat_detector(document: Document) -> Element | None:
    """Scores: their distribution, and with labels ROC and calibration."""
    found = document["threat_detector"]
    if found is None:
        return None
    caption = "Rows in steps of 0.04 of the score. The axis is logarithmic: each line is ten times the one below."
    return section(
        "Threat detector",
        *_threat_labelled(found, document["comparison"]),
        element("div", plot(_wide(score_chart(found["distribution"], found["thresholds"])), caption), class_="scroll"),
        _how_exact(found),
    )


def _threat_labelled(found: Mapping[str, Any], compared: Mapping[str, Any] | None) -> list[Content]:
    if found["labelled"] is None:
        return [element("p", "No row that it scored has a label, so there is no accuracy to show.", class_="muted")]
    before = (compared or {}).get("threat_detector_before")
    series = {"now": found} | ({"before": before} if before else {})
    curves = {name: one["roc"] for name, one in series.items() if one["roc"]}
    plots = element("div", class_="plots")
    if curves:
        plots.append(
            plot(roc_chart(curves, _point(found)), "ROC: attacks found against false alarms, at every threshold.")
        )
    calibrated = {name: one["calibration"] for name, one in series.items() if one["calibration"]}
    caption = (
        "Calibration: on the dotted line scores are probabilities. A point is a tenth of the scale; larger: more rows."
    )
    plots.append(plot(calibration_chart(calibrated), caption))
    return [*_two_classes(found["labelled"]), plots]


def _point(found: Mapping[str, Any]) -> tuple[float, float] | None:
    """Where the threshold puts the detector on its curve."""
    (right, alarms), (missed, hits) = found["labelled"]["confusion"]
    return (alarms / (right + alarms), hits / (missed + hits)) if right + alarms and missed + hits else None


def _how_exact(found: Mapping[str, Any]) -> Element:
    places, roc = found["scores_rounded_to_decimals"], found["roc"]
    text = "ROC, calibration and distribution are of the exact scores."
    if places is not None:
        off = f"; the area under the ROC is at most {roc['auc_error_at_most']:.1e} off" if roc else ""
        text = f"ROC, calibration and distribution are of scores rounded to {places} decimals{off}."
    return element("p", text, class_="muted")


def _wide(drawing: Element) -> Element:
    """A drawing that scrolls rather than shrink until it cannot be read."""
    drawing.set("class", "plot wide")
    return drawing


def attack_classifier(document: Document) -> Element | None:
    """Classes against labels."""
    found = document["attack_classifier"]
    if found is None:
        return None
    names = list(found["classes"])
    matrix = found["confusion"]
    there = [i for i in range(len(names)) if any(matrix[i]) or any(row[i] for row in matrix)]
    rows = [
        [name, *(decimals(one[key]) for key in ("precision", "recall", "f1")), count(one["rows"])]
        for name, one in found["classes"].items()
        if name in {names[i] for i in there}
    ]
    drawing = confusion_chart([names[i] for i in there], [[matrix[i][j] for j in there] for i in there])
    caption = "Rows. The darker a cell, the larger its share of the label's rows: blue where the class is right."
    return section(
        "Attack classifier",
        element("p", _CAVEAT + " Labels outside the 14 classes are counted below.", class_="muted"),
        figures(
            ("rows", count(found["rows"])),
            ("accuracy", percent(found["accuracy"])),
            ("macro F1", decimals(found["macro_f1"])),
        ),
        table(["Class", "Precision", "Recall", "F1", "Support, rows"], rows, (1, 2, 3, 4)),
        element("div", plot(_wide(drawing), caption), class_="scroll"),
        *_worst(found),
    )


def _worst(found: Mapping[str, Any]) -> list[Element]:
    if not found["worst_confusions"]:
        return []
    return [
        element("h3", "Worst confusions"),
        *(
            folded(
                f"{one['label']} called {one['called']}: {rows_text(one['rows'])}, {one['percent_of_label']:.2f} %"
                " of the label's",
                examples(one["examples"]),
            )
            for one in found["worst_confusions"]
        ),
    ]


def outside_labels(document: Document) -> Element | None:
    """Labels that are none of the 14 classes."""
    found = document["labels"]["outside"]
    if not found:
        return None
    rows = [
        [foreign(one["label"]), one["means"] or "unknown", count(one["rows"]), count(one["called_attack"])]
        for one in found
    ]
    text = (
        "They are in no figure of the attack classifier. Those that mean normal or attack count for verdicts and the"
        " threat detector; those of unknown meaning count nowhere."
    )
    return section(
        "Labels outside the 14 classes",
        element("p", text, class_="muted"),
        table(["Label", "Means", "Rows", "Called attack"], rows, (2, 3)),
    )
