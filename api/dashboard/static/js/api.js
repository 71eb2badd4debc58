// Requests to the API: one shape of errors, a token where one is asked for, and whether the API answers at all.

const PREFIX = "/api/v1";
const KEY = "netheal-token";
const LONGEST_MS = 15_000; // an answer that takes longer is none
const DOWNLOAD_MS = 600_000;
const listeners = new Set();
let reachable = true;
let asking = null;
let askForToken = async () => false;

/** What the API refused, or that it did not answer (status 0). */
export class ApiError extends Error {
  constructor(status, code, message, details = {}) {
    super(message);
    Object.assign(this, { status, code, details });
  }
}

export const token = () => sessionStorage.getItem(KEY);
export const setToken = (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY));

/** `ask(message, needed)` is called where the API wants a token; it resolves to whether there is one now.
 * Not `needed`: the page may go on without one. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/** Told true or false when the API begins or stops to answer. */
export function onReachable(listener) {
  listeners.add(listener);
}

function setReachable(now) {
  if (now === reachable) return;
  reachable = now;
  for (const listener of listeners) listener(now);
}

const headers = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

function unreachable() {
  setReachable(false);
  return new ApiError(0, "unreachable", "the API does not answer");
}

function errorOf(status, body) {
  const told = body?.error ?? {};
  return new ApiError(status, told.code ?? "error", told.message ?? `the API answered ${status}`, told.details ?? {});
}

/** One question to a person, however many requests wait for it. */
function tokenFromPerson(message, needed) {
  asking ??= askForToken(message, needed).finally(() => { asking = null; });
  return asking;
}

async function send(path, options) {
  try {
    const { longest_ms: longest = options.method ? 4 * LONGEST_MS : LONGEST_MS, ...asked } = options;
    const signal = AbortSignal.timeout(longest);
    const answer = await fetch(path, { ...asked, signal, headers: { ...options.headers, ...headers() }, cache: "no-store" });
    setReachable(true);
    return answer;
  } catch {
    throw unreachable();
  }
}

/** After a 401: where nobody has given another token meanwhile, a person is asked for one; raises ApiError without. */
async function anotherToken(used, body, reads) {
  const refused = errorOf(401, body);
  if (used === token() && !await tokenFromPerson(used || !reads ? refused.message : "", reads && !used)) throw refused;
}

async function answered(path, options = {}) {
  const used = token();
  const answer = await send(path, options);
  if (answer.status !== 401) return answer;
  const body = await answer.json().catch(() => null);
  await anotherToken(used, body, !options.method);
  return answered(path, options);
}

/** A JSON answer; raises ApiError. `query` leaves out what is empty. */
export async function get(path, query = {}) {
  return json(await answered(PREFIX + path + asQuery(query)));
}

/** All entries of a list that comes in pages, which the answer has under `key`. */
export async function getAll(path, key, query = {}) {
  const entries = [];
  let cursor = null;
  do {
    const page = await get(path, { ...query, cursor });
    entries.push(...page[key]);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return entries;
}

/** POST, DELETE and the like, with an object as JSON. */
export async function change(method, path, body) {
  const options = body === undefined ? { method }
    : { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  return json(await answered(PREFIX + path, options));
}

/** A text of the root, as `/metrics`. */
export async function text(path) {
  const answer = await answered(path);
  if (!answer.ok) throw errorOf(answer.status, await answer.json().catch(() => null));
  return answer.text().catch(() => { throw unreachable(); });
}

/** Have the browser save a file of the API under this name. Only a fetch can send a token, which a link cannot. */
export async function download(path, name) {
  const answer = await answered(PREFIX + path, { longest_ms: DOWNLOAD_MS });
  if (!answer.ok) throw errorOf(answer.status, await answer.json().catch(() => null));
  const file = URL.createObjectURL(await answer.blob().catch(() => { throw unreachable(); }));
  Object.assign(document.createElement("a"), { href: file, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(file), LONGEST_MS); // not before the browser has begun to save it
}

/** An answer, or null where the API refused it or said nothing. */
export async function orNull(answer) {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

async function json(answer) {
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw errorOf(answer.status, body);
  if (body === null) throw unreachable(); // cut off on its way
  return body;
}

export function asQuery(query) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** Send a form with files; `onProgress` gets the share that was sent. fetch cannot tell that. */
export async function upload(path, form, onProgress) {
  const used = token();
  const { status, response } = await sendForm(path, form, onProgress);
  if (status === 401) {
    await anotherToken(used, response, false);
    return upload(path, form, onProgress);
  }
  if (status < 300) return response;
  throw errorOf(status, response);
}

function sendForm(path, form, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", PREFIX + path);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : null);
    request.upload.onload = () => onProgress(1);
    request.onerror = () => reject(unreachable());
    request.onload = () => {
      setReachable(true);
      resolve(request);
    };
    request.send(form);
  });
}
