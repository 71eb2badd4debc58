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
# # 06 · Healing: what would policy X have done?
#
# The policy says which action answers which verdict (`conf/healing_policy.json`). Before a stricter one is put into
# force, this notebook asks the stored traffic: how often would it have acted, on whom, what would it have stopped, and
# who would have been hit that did nothing. Deciding is the stream's own code, `Policy.decide`; nothing is carried out,
# today's stream carries out nothing either.
#
# `NETHEAL_NOTEBOOK_DATA` names the Delta tables of a netheal (such as `../var/delta`), public data, or nothing.

# %%
import copy

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.dates import ConciseDateFormatter
from stored_traffic import stored_traffic

from netheal.contracts import attack_classes
from netheal.contracts.verdict import NO_CLASS
from netheal.healing.policy import ACTION_TYPES, parse_policy, read_document
from netheal.settings import load_settings

settings = load_settings()
plt.style.use("netheal.mplstyle")
store = stored_traffic(settings)
rows = (
    pl.scan_delta(f"{store}/verdicts")
    .select(
        "recorded_at", "src_ip", "attack_class_id", "attack_class", "attack_confidence", "threat_is_attack", "is_attack"
    )
    .collect()
    .sort("recorded_at")
)
print(f"{len(rows):,} verdicts, {rows['is_attack'].sum():,} attacks, {rows['src_ip'].n_unique():,} sources")

# %% [markdown]
# ## The policies
#
# A policy is a document: change what you like, and `parse_policy` says what is wrong with it.

# %%
BLOCK = {"action_type": "block_ip", "description": "Blocking address: {src_ip}", "params": {"ip": "{src_ip}"}}
shipped = read_document(settings.paths.policy_path)

block_scans_too = copy.deepcopy(shipped)
block_scans_too["classes"] |= {"PortScan": BLOCK, "Bot": BLOCK}

block_every_attack = copy.deepcopy(shipped)
attack_names = [name for name in attack_classes().names if name != attack_classes().benign]
block_every_attack["classes"] |= dict.fromkeys(attack_names, BLOCK)
block_every_attack["threat_attack"] = BLOCK

policies = {
    "as shipped": parse_policy(shipped),
    "block scans and bots, too": parse_policy(block_scans_too),
    "block every attack": parse_policy(block_every_attack),
}
class_ids = rows["attack_class_id"].fill_null(NO_CLASS).to_numpy().astype(np.int16)
threat = rows["threat_is_attack"].fill_null(False).to_numpy()
decisions = {name: policy.decide(class_ids, threat, rows["src_ip"].to_arrow()) for name, policy in policies.items()}
actions = {
    name: np.array([policies[name].rules[rule].action_type for rule in decided.rule.tolist()])
    for name, decided in decisions.items()
}

# %%
figure, axes = plt.subplots(figsize=(9.5, 3.6))
shown = [action for action in ACTION_TYPES if action != "log_only"]
left = np.zeros(len(policies))
for action in shown:
    counts = np.array([(taken == action).sum() for taken in actions.values()])
    bars = axes.barh(list(policies), counts, left=left, label=action, height=0.6)
    axes.bar_label(
        bars,
        [f"{count:,}" if count > 0.04 * left.max(initial=counts.max()) else "" for count in counts],
        label_type="center",
        color="white",
    )
    left += counts
axes.invert_yaxis()
axes.set(title="Actions that each policy would have taken", xlabel="rows answered with it")
axes.grid(axis="y", visible=False)
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# ## What a block would have stopped
#
# One block stops what the address sends from then on, until it expires. So a block has a benefit (rows of the same
# source that are attacks) and a price (rows of it that are not). Both depend on how long it lasts.


# %%
def stopped(decided, block_s):
    """Which rows [N] come from an address within `block_s` seconds behind a row that had it blocked."""
    times = rows["recorded_at"].dt.epoch("us").to_numpy() / 1e6
    places, targets = decided.aimed, decided.targets
    sources = rows["src_ip"].to_list()
    asked = dict(zip(places.tolist(), targets, strict=True))
    blocked_until, found = {}, np.zeros(len(rows), bool)
    for place, source in enumerate(sources):
        if times[place] < blocked_until.get(source, 0.0):
            found[place] = True
        elif place in asked:
            blocked_until[asked[place]] = times[place] + block_s
    return found


HOURS = np.array([0.25, 0.5, 1, 2, 4, 8, 24, 72])
attack = rows["is_attack"].to_numpy()
outcome = {name: [stopped(decided, 3600 * hours) for hours in HOURS] for name, decided in decisions.items()}

figure, (benefit, price) = plt.subplots(1, 2)
for name, series in outcome.items():
    benefit.plot(HOURS, [100 * (one & attack).sum() / attack.sum() for one in series], "o-", label=name)
    price.plot(HOURS, [(one & ~attack).sum() for one in series], "o-", label=name)
benefit.set(title="Attacks stopped", ylabel="% of all rows called an attack", ylim=(0, 100))
price.set(title="Hit without an alarm", ylabel="rows not called an attack", ylim=(0, None))
for axes in (benefit, price):
    axes.set(xscale="log", xlabel="a block lasts, hours (log scale)")
    axes.set_xticks(HOURS, [f"{hours:g}" for hours in HOURS])
    axes.minorticks_off()
figure.legend(*benefit.get_legend_handles_labels(), loc="outside lower center", ncols=len(policies))
plt.show()

# %% [markdown]
# Rows "hit without an alarm" are not all innocent: some are attacks that the models miss. That is why they are listed
# by source below, for a person to look at.

# %%
CHOSEN, BLOCK_HOURS = "block every attack", 4
hit = stopped(decisions[CHOSEN], 3600 * BLOCK_HOURS)
told = (
    rows.with_columns(pl.Series("stopped", hit))
    .filter(pl.col("stopped"))
    .group_by("src_ip")
    .agg(
        pl.len().alias("rows stopped"),
        (~pl.col("is_attack")).sum().alias("without an alarm"),
        pl.col("attack_class").drop_nulls().mode().first().alias("mostly"),
    )
)
told.sort("without an alarm", "rows stopped", descending=True).head(10)

# %% [markdown]
# ## How many blocks are there at a time?
#
# Firewalls have limits, and so have the people who answer for a block. One block a source, for as long as it lasts.

# %%
figure, axes = plt.subplots()
end = rows["recorded_at"][-1]
for name, decided in decisions.items():
    new = np.setdiff1d(decided.aimed, np.flatnonzero(stopped(decided, 3600 * BLOCK_HOURS)))
    begins = rows["recorded_at"].dt.epoch("us").to_numpy()[new]
    ends = begins + BLOCK_HOURS * 3_600_000_000
    moments = np.concatenate([begins, ends])
    order = np.argsort(moments, kind="stable")
    at_a_time = np.cumsum(np.repeat([1, -1], len(begins))[order])
    within = moments[order] <= int(end.timestamp() * 1e6)
    axes.step(
        moments[order][within].astype("datetime64[us]"),
        at_a_time[within],
        where="post",
        label=f"{name}: {len(begins):,} blocks",
        lw=1.4,
    )
axes.set(
    title=f"Blocks in force, each for {BLOCK_HOURS} hours",
    xlabel="time recorded (UTC)",
    ylabel="addresses blocked",
    ylim=(0, None),
)
axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# **Putting it into force.** Write the document to `conf/healing_policy.json` (or into the folder that
# `NETHEAL_CONF_DIR` names). The stream takes it from its next micro-batch; each verdict keeps the version that
# decided it.
