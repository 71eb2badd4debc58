// The registry: models by type, which is active, and what can be done with each.

import { ApiError, asQuery, change, download, getAll } from "./api.js";
import { confirmed } from "./confirm.js";
import { button, fill, find, make, say } from "./dom.js";
import { bytes, plural, time, words } from "./format.js";

const ASKS = {
  threat_detector: "says whether a row is an attack",
  attack_classifier: "says which kind of attack it is",
};
const BADGES = { active: "good", validated: "accent", deleted: "", inactive: "" };

export class Models {
  constructor(openDetails) {
    this.openDetails = openDetails;
    this.shown = "";
    find("models-deleted").addEventListener("change", () => this.refresh());
  }

  async refresh() {
    const models = await getAll("/models/", "models", { deleted: find("models-deleted").checked ? "true" : "" });
    const now = JSON.stringify(models.map(({ id, state, artefact_deleted_at: gone }) => [id, state, gone]));
    if (now === this.shown) return;
    this.shown = now;
    fill(find("models-list"), Object.keys(ASKS).map((type) => this.type(type, models.filter((model) => model.model_type === type))));
  }

  type(type, models) {
    const back = button("Roll back", () => this.rollBack(type));
    back.setAttribute("aria-label", `Roll back the ${words(type)} to the model before`);
    const title = make("h3", {}, words(type), " ", make("span", { class: "hint" }, ASKS[type]));
    const active = models.some((model) => model.is_active);
    const earlier = models.filter((model) => model.state === "inactive" && !model.artefact_deleted_at).length > (active ? 0 : 1);
    const order = [...models].sort((a, b) => b.is_active - a.is_active); // the others stay as they came, the newest first
    const empty = models.length ? "None is active: rows that need one go to quarantine until you activate one." : "There is none: upload one below.";
    return make("div", { class: "model-type", "data-type": type },
      make("div", { class: "head" }, title, earlier ? back : null),
      active ? null : make("p", { class: "empty" }, empty),
      make("ul", { class: "model-list" }, order.map((model) => this.item(model))));
  }

  item(model) {
    const name = model.model_version;
    const tool = (text, onclick, more) => button(text, onclick, { "aria-label": `${text} ${name}`, ...more });
    const usable = ["validated", "inactive"].includes(model.state) && !model.artefact_deleted_at;
    return make("li", { class: model.is_active ? "active" : null, "data-id": model.id },
      make("div", { class: "what" },
        make("span", { class: "name" }, name),
        make("span", { class: `badge ${BADGES[model.state] ?? "warn"}` }, model.state),
        model.warnings.length ? make("span", { class: "badge warn", title: model.warnings.join("\n") }, plural(model.warnings.length, "warning")) : null,
        make("div", { class: "hint said" }, make("bdi", {}, model.description || "no description")),
        model.damage ? make("div", { class: "hint" }, `damaged: ${model.damage}`) : null,
        make("div", { class: "hint" }, model.contract ?? "unknown contract", " · ", bytes(model.file_bytes), " · ", time(model.created_at))),
      make("div", { class: "buttons" },
        tool("Details", () => this.openDetails(model.id)),
        model.artefact_deleted_at ? null : tool("Download", () => this.download(model)),
        usable ? tool("Activate", () => this.activate(model), { class: "main" }) : null,
        model.is_active ? tool("Deactivate", () => this.deactivate(model)) : null,
        model.is_active || model.state === "deleted" ? null : tool("Delete", () => this.remove(model), { class: "danger" })));
  }

  async activate({ id, model_type: type, model_version: name, warnings }) {
    const caution = warnings.length ? ` ${plural(warnings.length, "warning")}: ${warnings.join("; ")}.` : "";
    const told = { title: `Activate ${name}?`, text: `New rows are scored with it from the next batch on. It replaces the active ${words(type)}, if there is one.${caution}`, yes: "Activate" };
    await this.ask(told, ({ why }) => change("POST", `/models/${id}/activate`, { why }));
  }

  async deactivate({ id, model_type: type, model_version: name }) {
    const told = { title: `Deactivate ${name}?`, text: `Without an active ${words(type)}, rows that need one are rejected (and kept) until one is activated.`, yes: "Deactivate" };
    await this.ask(told, ({ why }) => change("POST", `/models/${id}/deactivate`, { why }));
  }

  async rollBack(type) {
    const told = { title: "Roll back?", text: `The ${words(type)} that was active before the present one is activated again.`, yes: "Roll back" };
    await this.ask(told, ({ why }) => change("POST", `/models/rollback/${type}`, { why }));
  }

  async remove({ id, model_version: name }) {
    const told = { title: `Delete ${name}?`, text: "It cannot be activated any more; its record and history stay.", yes: "Delete", why: false, file: true, danger: true };
    await this.ask(told, ({ file }) => change("DELETE", `/models/${id}${asQuery({ delete_file: file ? "true" : "" })}`));
  }

  async download({ id, model_version: version, file_name: name }) {
    const told = { title: `Download ${name || version}?`, text: "A bundle is a program: only load it if you trust whoever made it.", yes: "Download", why: false };
    await this.ask(told, async () => {
      await download(`/models/${id}/bundle`, name || version);
      return { message: `${name || version} was downloaded` };
    });
  }

  async ask(told, act) {
    const answer = await confirmed(told);
    if (!answer) return;
    const note = find("models-note");
    try {
      const { message, replaced } = await act(answer);
      say(note, replaced ? `${message}, in place of ${replaced.model_version}.` : `${message}.`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say(note, error.message, true);
    }
    await this.refresh();
    note.scrollIntoView({ block: "nearest" });
  }
}
