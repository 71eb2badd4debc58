# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 · What the models get right and wrong
#
# A score near 1 is quickly had: train on some rows of a data set, and measure on others of the same. This notebook
# shows why that says little about your network. It scores the two extractions of CIC-IDS2017 (the same packets,
# measured by two flow meters and labelled twice) and the two parts of NSL-KDD, whose test part has attacks that its
# training part lacks.
#
# Without `NETHEAL_NOTEBOOK_DATA` all rows are generated: the "other meter" then is a coarser one (milliseconds, flows
# cut after 5 s, no more than 1,460 bytes counted), and four attacks of the "test part" hide among normal connections.
# The figures of generated rows show how to look, not how good the models are.

# %%
import matplotlib.pyplot as plt
import numpy as np
from labelled_flows import connections_by_part, flows_by_meter
from sklearn.metrics import roc_curve
from sklearn.preprocessing import LabelEncoder, StandardScaler

from netheal.bundles.served import read_served
from netheal.contracts import attack_classes, contract
from netheal.scoring.model import ServedModel
from netheal.settings import load_settings
from research.attack_classification import Trained
from research.connections import NORMAL
from research.datasets import split
from research.forest import train_forest
from research.measures import calibration_figures, class_figures, score_figures, share
from research.served_model import ServedVoter

settings = load_settings()
plt.style.use("netheal.mplstyle")
classifier = read_served(settings.paths.starter_models_dir / "attack_classifier")
detector = read_served(settings.paths.starter_models_dir / "threat_detector")
flows = flows_by_meter(settings)
BENIGN = attack_classes().benign
{meter: f"{len(rows):,} flows, {(rows.labels != BENIGN).mean():.0%} attacks" for meter, rows in flows.items()}

# %% [markdown]
# ## Class by class
#
# The starter classifier on every row, class by class. The bars are Wilson's intervals at 95 %: of few rows, little is
# known. Of public rows most were in its training, so that this is an upper bound.

# %%
answers = {meter: ServedVoter(classifier).answers(rows.values) for meter, rows in flows.items()}
names = [name for name in attack_classes().names if any((rows.labels == name).any() for rows in flows.values())]

figure, axes = plt.subplots(figsize=(9.5, 5.4))
for shift, (meter, rows) in zip((0.17, -0.17), flows.items(), strict=True):
    found = [share(answers[meter][rows.labels == name] == name) for name in names]
    places = np.arange(len(names))[::-1] + shift
    values = np.array([one.value for one in found])
    reach = np.abs([[one.low for one in found], [one.high for one in found]] - values)
    shown = np.array([one.rows > 0 for one in found])
    axes.errorbar(values[shown], places[shown], xerr=reach[:, shown], fmt="o", capsize=3, lw=1.5, label=meter)
axes.set_yticks(np.arange(len(names))[::-1], names)
axes.set(title="Rows called what they are", xlabel="recall, share of the class's rows", xlim=(-0.03, 1.03))
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# Where do the others go? Each row of the matrix is a class; a fat off-diagonal cell is a confusion. Those in the first
# column are attacks that nobody hears of.

# %%
rows, said = flows["other meter"], answers["other meter"]
figures = class_figures(rows.labels, said, names, BENIGN)
counts = np.array(figures["confusion"], float)
shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

figure, axes = plt.subplots(figsize=(9.5, 7))
image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
for (of, to), value in np.ndenumerate(shares):
    if value >= 0.005:
        axes.text(
            to, of, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 0.5 else "#333333"
        )
axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
axes.set_yticks(range(len(names)), names)
axes.set(title="What becomes of each class, other meter", xlabel="called", ylabel="is")
axes.grid(visible=False)
axes.spines[:].set_visible(False)
figure.colorbar(image, label="share of the class's rows", shrink=0.75)
plt.show()

# %% [markdown]
# ## Why scores inside one data set flatter
#
# The same recipe, a forest, is trained on four fifths of one meter's rows. On the fifth that was held out it is nearly
# perfect. On the other meter's rows, which are of the same attacks, it is not. Nothing was done wrong in the split:
# rows of one capture, by one meter, resemble each other more than those of any network that the model will ever see.


# %%
def fit(seen, seed):
    """A forest over scaled rows, as research/attack_classification.py trains it."""
    encoder, scaler = LabelEncoder().fit(seen.labels), StandardScaler().fit(seen.values)
    forest = train_forest(scaler.transform(seen.values), encoder.transform(seen.labels), None, seed, max_leaf_nodes=280)
    return Trained(contract("attack/v1"), scaler, encoder, forest)


def measured(model, rows):
    """Macro-F1 and the share of attacks called some attack."""
    found = class_figures(rows.labels, model.answers(rows.values), attack_classes().names, BENIGN)
    return {"Macro-F1 over classes": found["macro_f1"], "Attacks found": found["detected"]}


results = {}
for own, other in (("original meter", "other meter"), ("other meter", "original meter")):
    seen, held = split(flows[own], 42)
    model = fit(seen, 42)
    results[f"trained on\n{own}"] = {
        "the same meter, held out": measured(model, held),
        "the other meter": measured(model, flows[other]),
    }

figure, pair = plt.subplots(1, 2, sharey=True)
for axes, figure_of_merit in zip(pair, ("Macro-F1 over classes", "Attacks found"), strict=True):
    for number, measured_on in enumerate(("the same meter, held out", "the other meter")):
        values = [parts[measured_on][figure_of_merit] for parts in results.values()]
        bars = axes.bar(np.arange(len(results)) + 0.37 * number, values, width=0.34, label=measured_on)
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=9)
    axes.set_xticks(np.arange(len(results)) + 0.185, results)
    axes.set(title=figure_of_merit, ylim=(0, 1.12))
    axes.grid(axis="x", visible=False)
pair[0].set_ylabel("0 to 1, higher is better")
pair[1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="measured on", alignment="left")
plt.show()

# %% [markdown]
# ## NSL-KDD: attacks that training lacks
#
# The starter detector was trained on KDDTrain+. Its ROC on rows of the same part is a corner; on the test part, the
# attacks that it never saw pull it down. The dots are the threshold that it is served with.

# %%
served = ServedModel(detector)
parts = connections_by_part(settings, detector)
scores = {part: served.threat_scores(rows.values) for part, rows in parts.items()}

figure, (left, right) = plt.subplots(1, 2)
for part, rows in parts.items():
    attack = (rows.labels != NORMAL).astype(np.int64)
    found = score_figures(attack, scores[part], served.threshold)
    false_alarms, detected, _ = roc_curve(attack, scores[part])
    (line,) = left.plot(false_alarms, detected, label=f"{part}, area {found['auc']:.3f}")
    left.plot(found["false_alarms_per_100k_benign"] / 1e5, found["detected"], "o", ms=8, color=line.get_color())
    bins = calibration_figures(attack, scores[part])["bins"]
    right.plot([one["mean_score"] for one in bins], [one["attacks"] for one in bins], "o-", label=part)
left.set(title="ROC of the threat detector", xlabel="false alarms, share of normal rows", ylabel="attacks found, share")
left.legend(loc="lower right")
right.plot([0, 1], [0, 1], color="#999999", lw=1, ls="--", label="a probability")
right.set(
    title="Is the score a probability?", xlabel="mean score of a tenth of the scale", ylabel="share of attacks there"
)
right.legend(loc="upper left")
plt.show()

# %% [markdown]
# Attack by attack: those that a model has seen are found, those that it has not are found where they happen to
# resemble one that it has. An accuracy over all of them depends on how many of which the test set has.

# %%
known, test = set(parts["KDDTrain+"].labels), parts["KDDTest+"]
alarms = scores["KDDTest+"] >= served.threshold
frequent = [name for name in np.unique(test.labels) if name != NORMAL and (test.labels == name).sum() >= 50]
found = sorted(((share(alarms[test.labels == name]), name) for name in frequent), key=lambda pair: pair[0].value)

figure, axes = plt.subplots(figsize=(9.5, 0.8 + 0.26 * len(found)))
for place, (one, name) in enumerate(found):
    axes.barh(place, one.value, height=0.7, color="C0" if name in known else "C1")
    axes.plot([one.low, one.high], [place, place], color="#333333", lw=1)
axes.set_yticks(range(len(found)), [f"{name} ({one.rows:,})" for one, name in found])
axes.set(
    title="Attacks of the test part that are found",
    xlabel="share of the attack's rows, with its 95 % interval",
    xlim=(0, 1.02),
)
axes.grid(axis="y", visible=False)
axes.margins(y=0.01)
handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in ("C0", "C1")]
axes.legend(handles, ["in training", "never seen in training"], loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# What to take from this: measure on rows of **your** network that training has not seen, from another day and another
# host; read the card of a model from its top, where it says what it misses; and be glad of novelty, which marks most
# of the missed rows (notebook 04).
