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
# # 05 · From a new CSV to an activated model
#
# You have a CSV of labelled flows of your own network. This notebook trains a classifier on it, reads its card, has it
# examined as a stranger's file, hands it in over the API, activates it, and scores a CSV by it.
#
# The registry here is one of its own: a PostgreSQL that is started for this notebook and removed with it. For a netheal
# that runs, the last steps are `netheal models upload` and `netheal models activate`, shown below.
#
# `CSV` is the setting: a file with the columns of `attack/v1` and a `Label`. Unless you change it, it is made of
# generated flows, or of CIC-IDS2017's other meter where `NETHEAL_NOTEBOOK_DATA` names public data.

# %%
import io
import shutil
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from labelled_flows import FLOW_FILES, generated_flows, public_file
from pydantic import SecretStr

from api.app import create_app
from netheal.bundles.intake.validate_file import print_report
from netheal.bundles.served import read_served
from netheal.contracts import attack_classes, contract
from netheal.embedded.postgres import EmbeddedPostgres
from netheal.registry.artefacts import Artefacts
from netheal.registry.starters import import_starters
from netheal.settings import load_settings
from netheal.store.database import connect, migrate
from netheal.telemetry import configure_logging
from research import attack_classification
from research.datasets import flow_rows, split
from research.flows import read_flows
from research.measures import share
from research.served_model import ServedVoter
from research.tables import Dropped

settings = load_settings()
plt.style.use("netheal.mplstyle")
work = Path(tempfile.mkdtemp(prefix="netheal-notebook-"))
configure_logging(work / "log" / "notebook.log")
work.chmod(0o755)  # where we are root, PostgreSQL is another user

CSV = work / "flows.csv"
if settings.notebooks.data:
    read_flows(public_file(settings, FLOW_FILES["other meter"])).to_csv(CSV, index=False)
else:
    generated_flows(settings.notebooks.rows // 2, seed=5).to_csv(CSV, index=False)
print(f"{CSV.name}: {CSV.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# ## Look at it first
#
# `read_flows` knows the column names of the usual flow meters, `flow_rows` drops what the stream would reject. What is
# left out is printed with its reason.

# %%
dropped = Dropped()
rows = flow_rows(read_flows(CSV), contract("attack/v1"), CSV, dropped)
labels, counts = np.unique(rows.labels.astype(str), return_counts=True)
order = np.argsort(counts)

figure, axes = plt.subplots(figsize=(9.5, 0.9 + 0.28 * len(labels)))
bars = axes.barh(
    labels[order], counts[order], color=["C0" if name == attack_classes().benign else "C1" for name in labels[order]]
)
axes.bar_label(bars, [f"{count:,}" for count in counts[order]], padding=3, fontsize=9)
axes.set(title="What is in the file", xlabel="rows (log scale)", xscale="log")
axes.set_xlim(1, 4 * counts.max())
axes.grid(axis="y", visible=False)
plt.show()

# %% [markdown]
# ## Train
#
# The training script, as on the command line: `python research/attack_classification.py --train-files flows.csv
# --contract attack/v1 --model forest --output-dir model`. It holds out a fifth of each class, measures on it, and
# writes bundle, profile, metrics and card.

# %%
model = work / "model"
options = ["--train-files", str(CSV), "--contract", "attack/v1", "--output-dir", str(model), "--model", "forest"]
attack_classification.main(options)
sorted(path.name for path in model.iterdir())

# %% [markdown]
# The card begins with what the model misses:

# %%
card = (model / "MODEL_CARD.md").read_text("utf-8")
begin = card.index("## What it misses")
Markdown(card[begin : card.index("\n## ", begin + 1)])

# %% [markdown]
# ## Against the one that is active
#
# Both on the fifth that was held out, class by class. On a network of your own the new one wins, which has seen nothing
# else, and on any other it would not (notebook 02). On generated and public rows the starter does well, too: it was
# trained on the like.

# %%
seen, held = split(rows, 42)
rivals = {
    "the new model": read_served(model),
    "the starter": read_served(settings.paths.starter_models_dir / "attack_classifier"),
}
names = [name for name in attack_classes().names if (held.labels == name).any()]

figure, axes = plt.subplots(figsize=(9.5, 1.2 + 0.3 * len(names)))
for shift, (rival, bundle) in zip((0.16, -0.16), rivals.items(), strict=True):
    answers = ServedVoter(bundle).answers(held.values)
    found = [share(answers[held.labels == name] == name) for name in names]
    values = np.array([one.value for one in found])
    reach = np.abs([[one.low for one in found], [one.high for one in found]] - values)
    axes.errorbar(values, np.arange(len(names))[::-1] + shift, xerr=reach, fmt="o", capsize=3, lw=1.5, label=rival)
axes.set_yticks(np.arange(len(names))[::-1], [f"{name} ({(held.labels == name).sum():,})" for name in names])
axes.set(title="Rows called what they are, held out", xlabel="recall, with its 95 % interval", xlim=(-0.03, 1.03))
axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# ## Hand it in
#
# The API, with a registry of its own. A bundle is examined in a confined process and never executed; what was found is
# in its report. With a netheal that runs, the same is
#
# ```
# netheal models upload model/attack_classifier.joblib --model-type attack_classifier \
#     --profile model/attack_classifier_profile.json --card model/MODEL_CARD.md
# ```

# %%
postgres = EmbeddedPostgres(work / "postgres", 0, work / "log")
postgres.start()
own = load_settings(
    var_dir=work / "var",
    artefacts_root="",
    store_root="",
    postgres_dsn=SecretStr(postgres.dsn),
    kafka_bootstrap_servers="127.0.0.1:1",  # there is no broker: nothing is sent
)
migrate(postgres.dsn)
connection = connect(postgres.dsn)
import_starters(connection, Artefacts(own.paths.artefacts_dir), own.paths.starter_models_dir)
api = create_app(own).test_client()

form = {"model_type": "attack_classifier", "description": "trained on my own network"}
parts = {
    "file": "attack_classifier.joblib",
    "profile_config": "attack_classifier_profile.json",
    "card": "MODEL_CARD.md",
}
files = {part: (io.BytesIO((model / name).read_bytes()), name) for part, name in parts.items()}
uploaded = api.post("/api/v1/models/upload", data=form | files).get_json()
print_report("attack_classifier.joblib", uploaded["validation_results"])

# %% [markdown]
# ## Activate it
#
# `netheal models activate ID`. From the next micro-batch on the stream scores by it; `netheal models rollback
# attack_classifier` takes it back.

# %%
activated = api.post(f"/api/v1/models/{uploaded['id']}/activate", json={"why": "notebook 05"}).get_json()
print(activated["message"])
active = [one for one in api.get("/api/v1/models/").get_json()["models"] if one["is_active"]]
{one["model_type"]: one["model_version"] for one in active}

# %% [markdown]
# ## Score a file by it
#
# The first rows of the CSV, as anybody would upload them. Each row of the answer is a verdict by the model that is
# active now.

# %%
head = b"".join(CSV.open("rb").readlines()[:501])
scored = api.post("/api/v1/upload/csv", data={"file": (io.BytesIO(head), "flows.csv")}).get_json()
summary = scored["summary"]
print(
    f"{scored['message']}: {summary['attacks']} attacks, {summary['normal']} normal, {scored['rejected_rows']} rejected"
)
{one["name"]: one["attacks"] for one in summary["attacks_by_class"]}

# %% [markdown]
# Clean up: the server, its data and the work folder.

# %%
connection.close()
postgres.stop()
shutil.rmtree(work)
