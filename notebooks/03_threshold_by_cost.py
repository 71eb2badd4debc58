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
# # 03 · Choosing a threshold by the cost of false alarms
#
# A threat detector gives a score; the threshold makes an alarm of it. Which one is right does not follow from the
# model: it follows from what a false alarm costs, what a missed attack costs, and how many flows there are of either.
# Set these numbers to those of your network.
#
# The scores are of rows that training has not seen: KDDTest+ in `NETHEAL_NOTEBOOK_DATA`, or generated rows of which
# some hide among the others.

# %%
FLOWS_PER_DAY = 200_000
ATTACK_SHARE = 0.005  # of all flows
FALSE_ALARM_COST = 1.0  # minutes of somebody who looks at one alarm and finds nothing
MISSED_COST = 30.0  # minutes that a missed attack flow costs later
MINUTES_PER_DAY = 3 * 480  # of people who look at alarms

# %%
import matplotlib.pyplot as plt
import numpy as np
from labelled_flows import connections_by_part

from netheal.bundles.served import read_served
from netheal.contracts.verdict import is_attack_score
from netheal.scoring.model import ServedModel
from netheal.settings import load_settings
from research.connections import NORMAL
from research.evaluation import threshold_at
from research.measures import share

settings = load_settings()
plt.style.use("netheal.mplstyle")
detector = read_served(settings.paths.starter_models_dir / "threat_detector")
model = ServedModel(detector)
rows = connections_by_part(settings, detector)["KDDTest+"]
scores = model.threat_scores(rows.values)
attack = rows.labels != NORMAL
print(f"{len(rows):,} rows, {attack.sum():,} of them attacks; served with the threshold {model.threshold}")

# %% [markdown]
# ## The scores
#
# If the two did not overlap there would be nothing to choose. What lies on the wrong side of the line is what a
# threshold gets wrong.

# %%
figure, axes = plt.subplots()
for kind, which in {"normal": ~attack, "attacks": attack}.items():
    axes.hist(scores[which], bins=50, range=(0, 1), histtype="stepfilled", alpha=0.55, label=kind)
axes.axvline(model.threshold, color="#333333", lw=1.2, ls="--")
axes.annotate(f" as served, {model.threshold}", (model.threshold, 1), xycoords=("data", "axes fraction"), va="top")
axes.set(
    title="Scores of rows that training has not seen",
    xlabel="score, share of votes",
    ylabel="rows (log scale)",
    yscale="log",
)
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# ## What a day costs
#
# Missed attacks and false alarms in minutes, at every threshold. The rates are measured; the share of attacks is yours,
# and far smaller than in any public data set, which is why an accuracy says nothing here.

# %%
thresholds = np.linspace(0.005, 1.0, 400)
false_rate = np.array([is_attack_score(scores[~attack], at).mean() for at in thresholds])
missed_rate = np.array([1 - is_attack_score(scores[attack], at).mean() for at in thresholds])


def cost_per_day(false_rate, missed_rate, attack_share=ATTACK_SHARE, missed_cost=MISSED_COST):
    """Minutes of false alarms and of missed attacks in a day."""
    false_alarms = FLOWS_PER_DAY * (1 - attack_share) * false_rate
    missed = FLOWS_PER_DAY * attack_share * missed_rate
    return false_alarms * FALSE_ALARM_COST, missed * missed_cost


of_alarms, of_missed = cost_per_day(false_rate, missed_rate)
cheapest = thresholds[np.argmin(of_alarms + of_missed)]

figure, axes = plt.subplots(figsize=(9.5, 4.6))
axes.stackplot(
    thresholds,
    of_missed / 60,
    of_alarms / 60,
    labels=["missed attacks", "false alarms"],
    colors=["C1", "C0"],
    alpha=0.75,
)
for at, words in ((model.threshold, "as served"), (cheapest, "cheapest")):
    axes.axvline(at, color="#333333", lw=1.2, ls="--")
    total = sum(
        cost_per_day(is_attack_score(scores[~attack], at).mean(), 1 - is_attack_score(scores[attack], at).mean())
    )
    told = f" {words}, {at:.2f}: \n {total / 60:,.0f} h "
    side = "right" if at < model.threshold or at > 0.8 else "left"
    axes.annotate(told, (at, 0.99), xycoords=("data", "axes fraction"), va="top", ha=side)
top = np.quantile((of_alarms + of_missed) / 60, 0.9)
axes.set(
    title="What a day costs, by threshold",
    xlabel="threshold on the score",
    ylabel="hours a day",
    ylim=(0, 1.35 * top),
    xlim=(0, 1),
)
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# ## How much the choice hangs on the guess
#
# Nobody knows what a missed attack costs. The cheapest threshold over a range of guesses: where a line is flat, the
# guess does not matter.

# %%
guesses = np.geomspace(1, 100_000, 60)
figure, axes = plt.subplots()
for attack_share in (0.05, 0.005, 0.0005):
    best = [thresholds[np.argmin(sum(cost_per_day(false_rate, missed_rate, attack_share, guess)))] for guess in guesses]
    axes.step(guesses, best, where="mid", label=f"{attack_share:.2%} of flows are attacks")
axes.axhline(model.threshold, color="#333333", lw=1, ls="--")
axes.annotate("as served ", (guesses[-1], model.threshold), ha="right", va="bottom")
axes.set(title="The cheapest threshold", xscale="log", ylim=(0, 1.03), ylabel="threshold")
axes.set(xlabel=f"minutes that a missed attack costs, where a false alarm costs {FALSE_ALARM_COST:g} (log scale)")
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# ## From the other end: how many alarms can be looked at?
#
# Often the budget is given. Each dot is the lowest threshold that a share of false alarms allows, as on the model's
# card; the shaded part is what your people can look at in a day.

# %%
budgets = (0.001, 0.005, 0.01, 0.02, 0.05)
points = []
for budget in budgets:
    at = threshold_at(scores[~attack], budget)
    points.append((at, share(is_attack_score(scores[~attack], at)), share(is_attack_score(scores[attack], at))))
affordable = MINUTES_PER_DAY / FALSE_ALARM_COST

figure, axes = plt.subplots()
per_day = FLOWS_PER_DAY * (1 - ATTACK_SHARE)
axes.plot(per_day * false_rate, 1 - missed_rate, color="C0", alpha=0.5)
for (at, wrong, found), budget in zip(points, budgets, strict=True):
    axes.errorbar(
        per_day * wrong.value,
        found.value,
        yerr=[[found.value - found.low], [found.high - found.value]],
        fmt="o",
        color="C1",
        capsize=3,
    )
    axes.annotate(
        f"{budget:.2%}\nat {at:.2f}",
        (per_day * wrong.value, found.value),
        xytext=(7, -24),
        textcoords="offset points",
        fontsize=8,
    )
axes.axvspan(0, affordable, color="C2", alpha=0.15, label=f"{affordable:,.0f} alarms a day can be looked at")
axes.set(
    title="Attacks found, by false alarms a day",
    xlabel="false alarms a day (log scale)",
    ylabel="attacks found, share",
    ylim=(0, 1.03),
)
axes.set(xscale="log", xlim=(per_day * 0.0003, per_day))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# One alarm for each flow is far too many on any network: count alarms by source and class first (notebook 01), and
# choose on the counts.
#
# **Setting it.** The threshold is part of a bundle, so that a verdict can be reproduced. Train with it,
# `python research/threat_classification.py … --threshold 0.62`, upload the bundle, and activate it (notebook 05).
