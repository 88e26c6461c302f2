// The form of an export: its address, the texts to copy, the preview and the losses follow every change.

import { localTimes, piece, tell } from "./base.js";

const form = document.getElementById("wanted");
const place = document.querySelector("[data-place]").dataset.place;
const go = document.getElementById("go");
const start = document.getElementById("start");
const details = [...form.querySelectorAll("[data-detail]")];
let asking = new AbortController();
let waiting = 0;

/** What the form says, without what goes without saying; of several fields of a name the last that is on. */
function said() {
  const given = new Map();
  const pairs = [];
  for (const field of form.elements) {
    if (!field.name || ((field.type === "checkbox" || field.type === "radio") && !field.checked)) continue;
    if ("filter" in field.dataset) pairs.push([field.name, field.value]);
    else given.set(field.name, { value: field.value, usual: field.dataset.usual ?? "" });
  }
  for (const [name, { value, usual }] of given) if (value !== "" && value !== usual) pairs.push([name, value]);
  return new URLSearchParams(pairs);
}

function made(html) {
  const fragment = document.createRange().createContextualFragment(html);
  localTimes(fragment);
  return fragment;
}

function note(id, text) {
  const place = document.getElementById(id);
  const told = Object.assign(document.createElement("p"), { className: "note bad", textContent: text });
  place.replaceChildren(told);
}

async function load(id, address, signal) {
  const place = document.getElementById(id);
  place.setAttribute("aria-busy", "true");
  try {
    const html = await piece(address, { signal });
    document.getElementById(id).replaceWith(made(html));
  } catch (error) {
    if (error.name !== "AbortError") note(id, error.message);
  }
}

async function follow() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const query = said().toString();
  const kept = document.querySelector('[name="copy"]:checked')?.value;
  const format = form.elements.to.value;
  try {
    if (document.getElementById("options").dataset.format !== format) {
      document.getElementById("options").replaceWith(made(await piece(`${place}/options?${query}`, { signal })));
    }
    document.getElementById("state").replaceWith(made(await piece(`${place}/state?${query}`, { signal })));
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message, "bad");
    return;
  }
  const state = document.getElementById("state");
  if (kept) document.getElementById(`copy-${kept}`)?.click();
  const wrong = document.getElementById("wrong");
  wrong.textContent = state.dataset.wrong;
  wrong.hidden = !state.dataset.wrong;
  const right = !state.dataset.wrong;
  const wanted = right ? state.dataset.query : query;
  history.replaceState(null, "", wanted ? `?${wanted}` : location.pathname);
  start.action = wanted ? `${place}?${wanted}` : place;
  document.getElementById("file").textContent = right ? `as ${state.dataset.file}` : "";
  document.getElementById("params").toggleAttribute("data-same", state.dataset.same === "1");
  const tabs = new URLSearchParams();
  for (const field of form.querySelectorAll("[data-filter][name]")) tabs.append(field.name, field.value);
  if (form.elements.labels && form.elements.labels.value !== "all") tabs.append("labels", form.elements.labels.value);
  for (const one of document.querySelectorAll(".tabs a")) one.search = tabs.toString();
  go.disabled = !right;
  if (!right) {
    for (const id of ["losses", "preview"]) document.getElementById(id).replaceChildren();
    return;
  }
  load("preview", `${place}/preview?${wanted}`, signal);
  load("losses", `${place}/losses?${wanted}`, signal);
}

function changed(delay) {
  clearTimeout(waiting);
  waiting = setTimeout(follow, delay);
}

form.addEventListener("change", () => changed(0));
form.addEventListener("input", (event) => {
  if (event.target.matches("input:not([type=checkbox]):not([type=radio]), textarea")) changed(400);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  changed(0);
});

const all = document.getElementById("all-details");
function sayAll() {
  all.textContent = details.every((one) => one.checked) ? "All off" : "All on";
}
all.hidden = false;
all.addEventListener("click", () => {
  const on = !details.every((one) => one.checked);
  for (const one of details) one.checked = on;
  sayAll();
  changed(0);
});
form.addEventListener("change", sayAll);
sayAll();

function sayCount() {
  const rows = Number(document.getElementById("count")?.dataset.rows ?? NaN);
  if (Number.isNaN(rows)) return;
  document.getElementById("go-text").textContent = `Export ${rows.toLocaleString("en-US")} ${rows === 1 ? "row" : "rows"}`;
}
new MutationObserver(sayCount).observe(form, { childList: true, subtree: true });
sayCount();
