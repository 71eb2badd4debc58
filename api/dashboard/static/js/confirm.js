// A question before something is changed. Enter says yes, but never to what cannot be undone.

import { find } from "./dom.js";

/** Ask; null for no, else {why, file}. `why` and `file` say whether a reason and the file's deletion are asked about. */
export function confirmed({ title, text, yes, why = true, file = false, danger = false }) {
  const dialog = find("confirm-dialog");
  find("confirm-title").textContent = title;
  find("confirm-text").textContent = text;
  find("confirm-yes").textContent = yes;
  find("confirm-yes").classList.toggle("danger", danger);
  find("confirm-why-line").hidden = !why;
  find("confirm-why").value = "";
  find("confirm-file-line").hidden = !file;
  find("confirm-file").checked = false;
  find("confirm-no").onclick = () => dialog.close("no");
  find("confirm-yes").onclick = () => dialog.close("yes");
  find("confirm-form").onsubmit = (event) => {
    event.preventDefault();
    if (!danger) dialog.close("yes");
  };
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    const answer = () => ({ why: find("confirm-why").value.trim(), file: find("confirm-file").checked });
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? answer() : null), { once: true });
  });
}
