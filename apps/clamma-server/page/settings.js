// SPDX-License-Identifier: MIT
// The drawer of settings: they are kept in the browser, checked before a request, and turned into its
// fields. The system prompt is in the drawer, too, but belongs to a conversation.
import { byId, say } from "./dom.js";

const storageName = "clamma.settings";
const schemeName = "clamma.scheme";

const sliders = ["temperature", "top_p"];
const numbers = ["max_tokens", "seed", "top_k", "min_p", "frequency_penalty", "presence_penalty"];
const others = ["stop_texts", "reasoning_effort", "format", "schema", "tools"];
const names = [...sliders, ...numbers, ...others];
const mostStops = 16;

const drawer = byId("drawer");
const defaults = Object.fromEntries(names.map((name) => [name, byId(name).value]));

// The seed of an answer that does not ask for one. It is sent, so that it can be shown.
const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] & 0x7fffffff;

function showValues() {
  for (const slider of sliders) {
    byId(`${slider}-value`).textContent = Number(byId(slider).value).toFixed(2);
  }
  byId("schema-field").hidden = byId("format").value !== "json_schema";
}

function setAll(values) {
  for (const name of names) {
    const value = values[name];
    byId(name).value = typeof value === "string" ? value : defaults[name];
  }
  showValues();
}

function load() {
  try {
    setAll(JSON.parse(localStorage.getItem(storageName)) ?? {});
  } catch {
    setAll({});
  }
}

function keep() {
  try {
    const values = Object.fromEntries(names.map((name) => [name, byId(name).value]));
    localStorage.setItem(storageName, JSON.stringify(values));
  } catch {
    // The settings live as long as the page.
  }
}

// --- From fields to a request ---

class BadField extends Error {
  constructor(id, reason) {
    super(reason);
    this.id = id;
  }
}

const labelOf = (id) => document.querySelector(`label[for="${id}"]`).textContent;

function readNumber(id) {
  const input = byId(id);
  if (!input.checkValidity()) {
    const whole = input.step === "1" ? "a whole number" : "a number";
    const range = id === "seed" ? "" : ` from ${input.min} to ${input.max}`;
    throw new BadField(id, `${labelOf(id)}: this must be ${whole}${range}, or empty.`);
  }
  return input.value === "" ? undefined : Number(input.value);
}

function readJson(id, isGood, wanted) {
  let value;
  try {
    value = JSON.parse(byId(id).value);
  } catch (error) {
    throw new BadField(id, `${labelOf(id)}: this is not JSON: ${error.message}`);
  }
  if (!isGood(value)) throw new BadField(id, `${labelOf(id)}: this must be ${wanted}.`);
  return value;
}

function readFormat() {
  const type = byId("format").value;
  if (type === "json_object") return { type };
  if (type !== "json_schema") return undefined;
  const schema = readJson("schema", (value) => typeof value === "boolean" ||
    (value !== null && typeof value === "object" && !Array.isArray(value)), "a JSON object");
  return { type, json_schema: { name: "answer", strict: true, schema } };
}

function readStops() {
  const stops = byId("stop_texts").value.split("\n").filter((line) => line !== "");
  if (stops.length > mostStops) throw new BadField("stop_texts", `Stop at: at most ${mostStops} lines.`);
  return stops.length > 0 ? stops : undefined;
}

function readAll() {
  const fields = Object.fromEntries(sliders.map((name) => [name, Number(byId(name).value)]));
  for (const name of numbers) fields[name] = readNumber(name);
  fields.seed ??= newSeed();
  fields.stop = readStops();
  fields.reasoning_effort = byId("reasoning_effort").value || undefined;
  fields.response_format = readFormat();
  if (byId("tools").value.trim() !== "") {
    fields.tools = readJson("tools", (value) => Array.isArray(value) && value.length > 0, "a JSON array");
  }
  return fields;
}

function showError(error) {
  const line = byId("field-error");
  line.textContent = error?.message ?? "";
  line.hidden = !error;
  for (const name of names) byId(name).toggleAttribute("aria-invalid", false);
  if (!error) return;
  const field = byId(error.id);
  field.setAttribute("aria-invalid", "true");
  field.closest("details")?.setAttribute("open", "");
  openSettings();
  field.focus();
}

// The fields of a request; null, after the drawer has been opened at it, if one is wrong.
export function readSettings() {
  try {
    const fields = readAll();
    showError(null);
    return fields;
  } catch (error) {
    if (!(error instanceof BadField)) throw error;
    showError(error);
    return null;
  }
}

// The settings that the composer shows because they change answers much.
export function badges() {
  const list = [];
  const format = byId("format").value;
  if (format !== "text") list.push(format === "json_object" ? "JSON" : "JSON by a schema");
  if (byId("tools").value.trim() !== "") list.push("Tools");
  if (byId("seed").value !== "") list.push(`Seed ${byId("seed").value}`);
  return list;
}

export function setSeed(seed) {
  byId("seed").value = String(seed);
  keep();
  drawer.dispatchEvent(new Event("change"));
  say(`Seed ${seed} is set: the same question gets the same answer again.`);
}

// --- The drawer ---

export function openSettings(focus = null) {
  if (!drawer.open) drawer.showModal();
  if (focus) byId(focus).focus();
}

function showScheme(scheme) {
  if (scheme === "") delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = scheme;
  for (const input of document.querySelectorAll("input[name=scheme]")) {
    input.checked = input.value === scheme;
  }
}

function setScheme(scheme) {
  showScheme(scheme);
  try {
    if (scheme === "") localStorage.removeItem(schemeName);
    else localStorage.setItem(schemeName, scheme);
  } catch {
    // The scheme lives as long as the page.
  }
}

function switchScheme() {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = document.documentElement.dataset.scheme ?? system;
  const other = now === "dark" ? "light" : "dark";
  setScheme(other === system ? "" : other);
  say(`The page is ${other} now.`);
}

// Calls onChange when a setting has changed, and onSystem(text) when the system prompt has.
export function listenToSettings(onChange, onSystem) {
  load();
  showScheme(document.documentElement.dataset.scheme ?? "");
  byId("open-settings").addEventListener("click", () => openSettings());
  byId("close-settings").addEventListener("click", () => drawer.close());
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer) drawer.close(); // beside the drawer
  });
  drawer.addEventListener("change", onChange);
  drawer.addEventListener("close", () => showError(null));
  byId("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    drawer.close();
  });
  byId("settings").addEventListener("input", ({ target }) => {
    if (target.name === "scheme") {
      setScheme(target.value);
    } else if (target.id === "system") {
      onSystem(target.value);
    } else {
      keep();
      showValues();
    }
    onChange();
  });
  byId("reset").addEventListener("click", () => {
    setAll({});
    keep();
    showError(null);
    onChange();
    say("The settings have been reset.");
  });
  byId("scheme").addEventListener("click", switchScheme);
}
