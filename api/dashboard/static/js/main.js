// The page put together: who shows what, and how often each asks the API.

import { get, onReachable, orNull } from "./api.js";
import { Charts } from "./charts.js";
import { Drift } from "./drift.js";
import { chooseClass, Feed, offerClasses } from "./feed.js";
import { Healing } from "./healing.js";
import { Health } from "./health.js";
import { refreshMetrics } from "./metrics.js";
import { ModelDialog } from "./model_dialog.js";
import { ModelUpload } from "./model_upload.js";
import { Models } from "./models.js";
import { Outages } from "./outages.js";
import { every, onRefusals, sleep } from "./poll.js";
import { Quarantine } from "./quarantine.js";
import { RowDialog } from "./row_dialog.js";
import { Stream } from "./stream.js";
import { useTokens } from "./token.js";
import { Totals } from "./totals.js";
import { FileUpload } from "./upload.js";

const RETRY_MS = 3000;
const MINUTES = 15;

const rowDialog = new RowDialog();
const modelDialog = new ModelDialog();
const health = new Health();
const totals = new Totals();
const charts = new Charts();
const stream = new Stream();
const outages = new Outages();
const drift = new Drift();
const healing = new Healing();
const quarantine = new Quarantine((id) => rowDialog.openRejected(id));
const models = new Models((id) => modelDialog.open(id));

let feed = null;
useTokens(() => feed?.restart());
new ModelUpload(() => models.refresh());
new FileUpload((id) => rowDialog.open(id));
onReachable((reachable) => {
  health.setReachable(reachable);
  if (reachable) feed?.socket.hurry();
});
onRefusals((messages) => health.setRefusals(messages));
every(4, () => health.refresh());

// The first question that takes a token, where there are tokens; everything else comes after it.
const contracts = await persistently(() => get("/contracts"));
offerClasses(contracts.contracts.find(({ classes }) => classes)?.classes ?? []);
const asked = new URLSearchParams(location.search);
chooseClass(asked.get("class"));
feed = new Feed((id) => rowDialog.open(id), (message) => health.setBroker(message));
if (/^\d{1,16}$/.test(asked.get("row"))) rowDialog.open(Number(asked.get("row")));
every(2, async () => {
  const summary = await get("/predictions/summary", { minutes: MINUTES });
  totals.setSummary(summary);
  charts.show(summary.timeline);
  healing.setTotals(summary.total.actions);
});
every(3, async () => {
  const figures = await refreshMetrics();
  totals.setStream(figures);
  stream.setFigures(figures);
});
every(3, () => stream.refresh());
every(5, () => outages.refresh());
every(10, () => drift.refresh());
every(5, () => quarantine.refresh());
every(5, () => healing.refresh());
every(8, () => models.refresh());

async function persistently(question) {
  for (;;) {
    const answer = await orNull(question());
    if (answer !== null) return answer;
    await sleep(RETRY_MS);
  }
}
