// Where the API asks for a token: a form for it, kept for this tab only.

import { onTokenNeeded, setToken, token } from "./api.js";
import { find } from "./dom.js";

/** `onChange()` is called with each new token. */
export function useTokens(onChange) {
  const dialog = find("token-dialog");
  const forget = find("forget-token");
  forget.hidden = !token();
  forget.addEventListener("click", () => {
    setToken(null);
    location.reload();
  });
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  onTokenNeeded((message) => new Promise((resolve) => {
    find("token-text").textContent = message;
    find("token-input").value = "";
    dialog.addEventListener("close", () => {
      setToken(find("token-input").value.trim());
      forget.hidden = false;
      resolve();
      onChange();
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  }));
}
