// Handing in a model: the file goes up with its progress, the report of its examination comes back.

import { ApiError, upload } from "./api.js";
import { fill, find, make, say } from "./dom.js";
import { percent } from "./format.js";
import { showReport } from "./report.js";

export class ModelUpload {
  constructor(onUploaded) {
    this.onUploaded = onUploaded;
    this.form = find("model-form");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  async send() {
    const form = new FormData(this.form);
    for (const name of ["profile_config", "card"]) if (!form.get(name).size) form.delete(name);
    const submit = this.form.querySelector("[type=submit]");
    submit.disabled = true;
    fill(find("model-report"));
    try {
      const model = await upload("/models/upload", form, (share) => this.progress(share));
      say(find("model-upload-note"), `${model.message}.`);
      this.report("Accepted", model.validation_results);
      this.form.reset();
      await this.onUploaded();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say(find("model-upload-note"), error.message, true);
      this.report("Refused", error.details.validation_results);
    } finally {
      submit.disabled = false;
      find("model-progress").hidden = true;
    }
  }

  progress(share) {
    const bar = find("model-progress");
    bar.hidden = false;
    bar.value = share ?? 0;
    say(find("model-upload-note"), share === 1 ? "Validating: reading, structure, test prediction…" : `Uploading ${percent(100 * (share ?? 0))}`);
  }

  report(title, validation) {
    fill(find("model-report"), validation ? [make("h3", {}, title), ...showReport(validation)] : []);
  }
}
