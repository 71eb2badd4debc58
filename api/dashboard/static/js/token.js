// Where the API asks for a token: a form for it, kept for this tab only.

import { onTokenNeeded, setToken, token } from "./api.js";
import { find } from "./dom.js";

/** `onChange()` is called with each new token. */
export function useTokens(onChange) {
  const dialog = find("token-dialog");
  const forget = find("forget-token");
  const cancel = find("token-cancel");
  forget.hidden = !token();
  forget.addEventListener("click", () => {
    setToken(null);
    location.reload();
  });
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("cancel", (event) => cancel.hidden && event.preventDefault());
  onTokenNeeded((message, needed) => new Promise((resolve) => {
    find("token-text").textContent = message;
    find("token-input").value = "";
    cancel.hidden = needed;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const given = dialog.returnValue === "use";
      setToken(given ? find("token-input").value.trim() : null);
      forget.hidden = !given;
      resolve(given);
      if (given) onChange();
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  }));
}
