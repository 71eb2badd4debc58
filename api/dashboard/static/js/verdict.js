// What a verdict says, whether it came over the socket or from REST.

import { make } from "./dom.js";
import { words } from "./format.js";

export const BENIGN = "BENIGN";

export const className = (row) => row.attack_prediction?.attack_type_name ?? "";

/** The threat detector's score of an attack, and the classifier's confidence in its class; null without one. */
export const scoreOf = (row) => row.threat_prediction?.prediction_score ?? null;
export const confidenceOf = (row) => row.attack_prediction?.confidence ?? null;

/** What a model's score or confidence is, in words. */
export const confidenceKind = (kind) => ({ vote_share: "vote share", probability: "probability" })[kind] ?? "";

export function versions(row) {
  const used = [row.attack_prediction?.model_version, row.threat_prediction?.model_version];
  return used.filter(Boolean).join(" · ");
}

export function ends(row) {
  const flow = row.flow ?? {};
  if (!flow.src_ip && !flow.dst_ip) return flow.sensor_id ?? "";
  return `${flow.src_ip ?? "?"} → ${flow.dst_ip ?? "?"}`;
}

const ACTIONS = {
  restart_service: "restart service",
  block_ip: "block address",
  alert_admin: "alert admin",
};

/** An action that is only logged is told as what it would do. */
export function actionName(type, status = "logged") {
  const name = ACTIONS[type];
  if (name === undefined) return words(type);
  return status === "logged" ? `would ${name}` : name;
}

/** What the action is about: an address, a service, or nothing. */
export function target(action) {
  const params = action.action_params ?? {};
  return params.ip ?? params.service ?? "";
}

export function verdictBadge(attack) {
  return make("span", { class: attack ? "badge attack" : "badge" }, attack ? "Attack" : "Normal");
}
