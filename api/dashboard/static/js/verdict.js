// What a verdict says, whether it came over the socket or from REST.

import { make } from "./dom.js";

export const BENIGN = "BENIGN";

export function isAttack(row) {
  if (row.is_attack !== undefined) return row.is_attack;
  const name = row.attack_prediction?.attack_type_name;
  return (name !== undefined && name !== null && name !== BENIGN) || row.threat_prediction?.is_attack === true;
}

export const className = (row) => row.attack_prediction?.attack_type_name ?? "";

/** The confidence of an attack's class, else the threat score, else the confidence that it is normal. */
export function scoreOf(row) {
  const confidence = row.attack_prediction?.confidence ?? null;
  const named = confidence !== null && className(row) !== BENIGN;
  return named ? confidence : row.threat_prediction?.prediction_score ?? confidence;
}

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
  log_only: "log only",
};

export const actionName = (type) => ACTIONS[type] ?? type;

/** What the action is about: an address, a service, or nothing. */
export function target(action) {
  const params = action.action_params ?? {};
  return params.ip ?? params.service ?? "";
}

export function verdictBadge(attack) {
  return make("span", { class: attack ? "badge attack" : "badge" }, attack ? "Attack" : "Normal");
}
