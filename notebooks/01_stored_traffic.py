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
# # 01 · A first look at the stored traffic
#
# netheal keeps every scored row in the Delta table `verdicts`, with all its features, and every rejected one in
# `quarantine`. Both are folders of Parquet files with a log: any reader of Delta can open them while the stream writes.
# This notebook reads them by Polars, by DuckDB, and by Spark. The columns are described in
# [docs/tables.md](../docs/tables.md).
#
# `NETHEAL_NOTEBOOK_DATA` says what is read: a folder of Delta tables (such as `../var/delta`), a folder of public data,
# or nothing, for a generated week.

# %%
import duckdb
import matplotlib.pyplot as plt
import polars as pl
from deltalake import DeltaTable
from stored_traffic import stored_traffic

from netheal.settings import load_settings

settings = load_settings()
store = stored_traffic(settings)
plt.style.use("netheal.mplstyle")
print(f"verdicts and quarantine under {store}")

# %% [markdown]
# ## Polars
#
# `scan_delta` reads only the columns and days that a query needs.

# %%
verdicts = pl.scan_delta(f"{store}/verdicts")
verdicts.select(
    pl.len().alias("rows"),
    pl.col("recorded_at").min().alias("from"),
    pl.col("recorded_at").max().alias("to"),
    pl.col("is_attack").sum().alias("attacks"),
    pl.col("attack_class").is_not_null().sum().alias("classified"),
    pl.col("threat_score").is_not_null().sum().alias("with a threat score"),
    pl.col("src_ip").n_unique().alias("sources"),
).collect()

# %%
WINDOW = "3h"
by_time = (
    verdicts.filter(pl.col("is_attack"))
    .with_columns(
        pl.col("recorded_at").dt.truncate(WINDOW).alias("time"),
        pl.when(pl.col("attack_class").fill_null("BENIGN") == "BENIGN")
        .then(pl.lit("threat detector alone"))
        .otherwise(pl.col("attack_class"))
        .alias("kind"),
    )
    .group_by("time", "kind")
    .len()
    .collect()
)
frequent = by_time.group_by("kind").agg(pl.col("len").sum()).sort("len", descending=True)["kind"].to_list()[:7]
named = by_time.with_columns(pl.when(pl.col("kind").is_in(frequent)).then("kind").otherwise(pl.lit("other")))
wide = named.group_by("time", "kind").agg(pl.col("len").sum()).pivot("kind", index="time", values="len").sort("time")
stacks = {kind: wide[kind].fill_null(0).to_numpy() for kind in [*frequent, "other"] if kind in wide.columns}

figure, axes = plt.subplots(figsize=(9.5, 4.6))
bottom = 0
for kind, counts in stacks.items():
    axes.bar(wide["time"], counts, width=0.105, bottom=bottom, align="edge", label=kind)
    bottom = bottom + counts
axes.set(title="Attacks by class", xlabel="time recorded (UTC)", ylabel=f"rows in {WINDOW}")
axes.grid(axis="x", visible=False)
axes.xaxis.set_major_formatter(plt.matplotlib.dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# ## DuckDB
#
# SQL over the same files, by way of Arrow: nothing is copied, and DuckDB needs no extension.

# %%
tables = {name: DeltaTable(f"{store}/{name}").to_pyarrow_dataset() for name in ("verdicts", "quarantine")}
database = duckdb.connect()
for name, dataset in tables.items():
    database.register(name, dataset)
sources = database.sql("""
    select coalesce(src_ip, 'unknown') as source, count(*) as attacks, count(distinct attack_class) as classes,
           mode(attack_class) as mostly, min(recorded_at) as first, max(recorded_at) as last
    from verdicts where is_attack group by all order by attacks desc limit 12
""").pl()
sources

# %%
rejected = database.sql(
    "select reason, count(*) as messages from quarantine group by reason order by messages"
).fetchall()

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), width_ratios=(1.1, 1))
places = range(len(sources))
left.barh(places, sources["attacks"][::-1], color="C1")
left.set_yticks(places, sources["source"][::-1])
left.set(title="Sources of most attacks", xlabel="rows called an attack")
left.grid(axis="y", visible=False)
left.locator_params(axis="x", nbins=5)
right.barh([reason for reason, _ in rejected], [messages for _, messages in rejected], color="C6")
right.set(title="Rejected messages by reason", xlabel="messages in quarantine")
right.grid(axis="y", visible=False)
plt.show()

# %% [markdown]
# ## How sure, and how new
#
# Confidence is the share of the classifier's votes for the class that it names, and no probability. Novelty says how
# unlike its training a row is: where benign rows are as novel as attacks, the traffic is new to the model, which is no
# sign of an attack. See the model's card in `research/models/`.

# %%
rows = verdicts.filter(pl.col("attack_class").is_not_null()).select("is_attack", "attack_confidence", "attack_novelty")
rows = rows.collect()
kinds = {"called benign": ~rows["is_attack"], "called an attack": rows["is_attack"]}
figure, pair = plt.subplots(1, 2, sharey=True)
titles = {"attack_confidence": "Confidence in the class", "attack_novelty": "Novelty"}
for axes, (column, title) in zip(pair, titles.items(), strict=True):
    for name, which in kinds.items():
        axes.hist(
            rows.filter(which)[column].drop_nulls(),
            bins=40,
            range=(0, 1),
            histtype="stepfilled",
            alpha=0.55,
            label=name,
        )
    axes.set(title=title, xlabel="share, 0 to 1", yscale="log")
pair[0].set_ylabel("rows (log scale)")
pair[0].legend(loc="upper left")
plt.show()

# %% [markdown]
# ## Spark
#
# The same table in the session that the job uses; models are at hand as pandas UDFs. A row scored again by the model
# that scored it gets the same bits.

# %%
from pyspark.sql.functions import col, struct

from jobs.stages.session import READS_DELTA, end_jvm, spark_session
from netheal.bundles.served import read_served
from udfs.pandas import attack_class_udf

spark = spark_session(settings, READS_DELTA)
stored = spark.read.format("delta").load(f"{store}/verdicts")
classifier = read_served(settings.paths.starter_models_dir / "attack_classifier")
scored = stored.where(col("attack_class").isNotNull()).limit(500)
again = scored.select(
    "attack_class", attack_class_udf(spark, classifier)(struct(*classifier.contract.columns)).alias("again")
)
compared = again.toPandas()
print(f"{(compared['attack_class'] == compared['again']).mean():.0%} of {len(compared)} rows get the same class again")

# %%
spark.stop()
end_jvm()
