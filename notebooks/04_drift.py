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
# # 04 · Drift: traffic against training
#
# A model knows the traffic that it was trained on. When a meter is exchanged, a service is added or clients change,
# its features move, and what the model says is worth less, without any error. This notebook compares the stored
# traffic, day by day, with the rows of training: by the population stability index (PSI) of each feature, and by the
# novelty that each verdict carries.
#
# The generated week is measured by another meter in its last two days. Of the public files, those of the other meter
# come behind those of the original one. `NETHEAL_NOTEBOOK_DATA` may also name the Delta tables of a netheal; the
# training rows are generated then, and `REFERENCE` should be yours.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from labelled_flows import FLOW_FILES, generated_flows
from matplotlib.dates import ConciseDateFormatter
from stored_traffic import stored_traffic

from netheal.bundles.training_histograms import learn_features
from netheal.contracts import attack_classes, contract
from netheal.drift.stability import stability_index
from netheal.drift.window import ALARM_PSI
from netheal.settings import load_settings
from research.flows import LABEL, read_flows
from research.tables import Dropped, valid_rows

settings = load_settings()
plt.style.use("netheal.mplstyle")
features = contract("attack/v1").features
BENIGN = attack_classes().benign

# %%
original = Path(settings.notebooks.data) / FLOW_FILES["original meter"]
REFERENCE = read_flows(original) if original.is_file() else generated_flows(settings.notebooks.rows, seed=11)
quiet = REFERENCE[REFERENCE[LABEL] == BENIGN][list(contract("attack/v1").names)].to_numpy(float)
training, valid = valid_rows(quiet, contract("attack/v1"), "reference", Dropped())
training = training[valid]

store = stored_traffic(settings)
columns = [feature.column for feature in features]
traffic = (
    pl.scan_delta(f"{store}/verdicts")
    .filter(pl.col("attack_class").is_not_null())
    .select("date", "recorded_at", "is_attack", "attack_class", "attack_novelty", "attack_is_novel", *columns)
    .collect()
    .sort("recorded_at")
)
days = traffic["date"].unique().sort().to_list()
print(f"{len(training):,} benign rows of training, {len(traffic):,} stored rows of {len(days)} days")

# %% [markdown]
# ## Day by day
#
# Benign rows against benign rows: how many attacks there are changes every hour, and is no drift. A mean PSI of 0.5
# over all features separated the two meters of CIC-IDS2017 from days of the same meter (docs/drift.md); below it, look
# at the features one by one. The stream counts the same bins, over all rows, and compares them with the bundle's.

# %%
histograms = learn_features(training, contract("attack/v1"))


def feature_psi(rows: pl.DataFrame) -> list[float]:
    """PSI of each feature against training."""
    columns = (rows[feature.column].to_numpy() for feature in features)
    pairs = zip(histograms, columns, strict=True)
    return [stability_index(histogram.counts, histogram.count(column)) for histogram, column in pairs]


benign = traffic.filter(pl.col("attack_class") == BENIGN)
index = np.array([feature_psi(benign.filter(pl.col("date") == day)) for day in days])
mean = index.mean(axis=1)

figure, axes = plt.subplots()
bars = axes.bar(days, mean, color=["C1" if value >= ALARM_PSI else "C0" for value in mean], width=0.7)
axes.bar_label(bars, fmt="%.2f", padding=2)
axes.axhline(ALARM_PSI, color="#333333", lw=1.2, ls="--")
axes.annotate(" train again", (0.0, ALARM_PSI), xycoords=("axes fraction", "data"), va="bottom")
axes.set(title="How far traffic lies from training", xlabel="day recorded (UTC)", ylabel="mean PSI over 42 features")
axes.set_ylim(0, max(0.65, 1.15 * mean.max()))
axes.grid(axis="x", visible=False)
axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
plt.show()

# %% [markdown]
# ## Which features
#
# The features that moved most, day by day. All those of times moving together say "another meter, or other time-outs";
# ports and sizes, "another service".

# %%
moved = np.argsort(index.max(axis=0))[::-1][:16]
figure, axes = plt.subplots(figsize=(9.5, 5.6))
image = axes.imshow(index[:, moved].T, cmap="OrRd", aspect="auto", vmin=0, vmax=3)
for (row, column), value in np.ndenumerate(index[:, moved].T):
    axes.text(
        column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 1.8 else "#333333"
    )
axes.set_yticks(range(len(moved)), [features[place].column for place in moved])
axes.set_xticks(range(len(days)), [f"{day:%d %b}" for day in days])
axes.set(title="PSI by feature and day", xlabel="day recorded (UTC)")
axes.grid(visible=False)
axes.spines[:].set_visible(False)
figure.colorbar(image, label="PSI", extend="max", shrink=0.8)
plt.show()

# %% [markdown]
# How they moved: the share of rows at or below each value, in training, on the first day and on the last.

# %%
first, last = (
    traffic.filter((pl.col("date") == day) & (pl.col("attack_class") == BENIGN)) for day in (days[0], days[-1])
)
figure, triple = plt.subplots(1, 3, sharey=True, figsize=(9.5, 3.8))
for axes, place in zip(triple, moved[:3], strict=True):
    feature = features[place]
    lines = {
        "training": training[:, place],
        f"{days[0]:%d %b}": first[feature.column],
        f"{days[-1]:%d %b}": last[feature.column],
    }
    for (name, values), style in zip(lines.items(), ("-", "--", "-"), strict=True):
        ordered = np.sort(np.asarray(values))
        axes.step(ordered, np.arange(1, len(ordered) + 1) / len(ordered), style, label=name)
    unit = {"us": "µs"}.get(feature.unit, feature.unit)
    axes.set(title=feature.column, xscale="symlog", xlabel=f"{unit} (log scale)" if unit else "value (log scale)")
    axes.title.set_fontsize(10)
    axes.tick_params(axis="x", labelrotation=45)
triple[0].set_ylabel("share of benign rows at or below")
triple[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# ## What the verdicts say of it
#
# Novelty needs no training rows: it is stored with each verdict. When it rises for benign rows and attacks alike while
# the share of attacks falls, the model has lost touch, not the attackers interest.

# %%
by_hours = traffic.group_by_dynamic("recorded_at", every="6h").agg(
    pl.col("attack_is_novel").filter(~pl.col("is_attack")).mean().alias("called benign"),
    pl.col("attack_is_novel").filter(pl.col("is_attack")).mean().alias("called an attack"),
    pl.col("is_attack").mean().alias("attacks"),
)
figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(9.5, 5.2))
for name in ("called benign", "called an attack"):
    above.plot(by_hours["recorded_at"], 100 * by_hours[name], "o-", ms=4, label=name)
above.set(title="Rows marked novel", ylabel="% of rows in 6 h", ylim=(0, 104))
above.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
below.step(by_hours["recorded_at"], 100 * by_hours["attacks"], where="mid", color="C3")
below.set(title="Rows called an attack", xlabel="time recorded (UTC)", ylabel="% of rows in 6 h")
below.set_ylim(bottom=0)
below.xaxis.set_major_formatter(ConciseDateFormatter(below.xaxis.get_major_locator()))
plt.show()
