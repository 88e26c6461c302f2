// What every page's script may need: asking the server as the page, telling people, moments in their own time.

import { plain } from "./names.js";

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

/** What forms carry and requests that change something show: `X-CSRF-Token`. */
export const csrf = meta("csrf");

/**
 * Ask the server as the page. `json` is sent as the body. Gives the decoded answer (null for none);
 * an error of the server is thrown with its message, `status` and `body`. Who is logged out is sent to log in.
 */
export async function ask(path, { method = "GET", json, headers = {}, ...more } = {}) {
  const asked = { method, credentials: "same-origin", ...more, headers: { Accept: "application/json", ...headers } };
  if (method !== "GET") asked.headers["X-CSRF-Token"] = csrf;
  if (json !== undefined) {
    asked.headers["Content-Type"] = "application/json";
    asked.body = JSON.stringify(json);
  }
  let answer;
  try {
    answer = await fetch(path, asked);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error("the server does not answer; is it running?"), { status: 0 });
  }
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = text;
  }
  if (answer.ok) return body;
  if (answer.status === 401) logIn();
  const message = body?.error?.message ?? `the server answered ${answer.status}`;
  throw Object.assign(new Error(message), { status: answer.status, body });
}

/** Go and log in, to come back to this page. */
export function logIn() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** A piece of a page, as HTML that the server rendered (and escaped). Errors as of `ask`. */
export async function piece(path, more = {}) {
  const answer = await fetch(path, { credentials: "same-origin", headers: { Accept: "text/html" }, ...more });
  if (answer.status === 401) logIn();
  if (!answer.ok) throw Object.assign(new Error(`the server answered ${answer.status}`), { status: answer.status });
  return answer.text();
}

/** Tell people something for a while; `kind` is "", "good" or "bad". */
export function tell(text, kind = "") {
  const place = document.querySelector(".toasts");
  const toast = Object.assign(document.createElement("div"), { className: `toast ${kind}`, textContent: plain(text, 1000) });
  place.append(toast);
  setTimeout(() => toast.remove(), kind === "bad" ? 12000 : 5000);
}

/** Moments in the reader's own time; what was written stays in the tip. */
export function localTimes(root = document) {
  const shape = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });
  for (const one of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const moment = new Date(one.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    one.textContent = shape.format(moment);
    one.dataset.local = "";
  }
}

/**
 * Load the parts that come after the page: `<div data-load="PATH">` is replaced by what is there. What comes may
 * have such parts again, or be one: `data-wait` says after how many seconds it is looked at.
 */
export function loadParts(root = document) {
  const load = async (one) => {
    try {
      const text = await piece(one.dataset.load);
      const made = document.createRange().createContextualFragment(text);
      localTimes(made);
      const later = [...made.querySelectorAll("[data-load]")];
      one.replaceWith(made);
      for (const part of later) setTimeout(() => watch.observe(part), 1000 * (part.dataset.wait ?? 0));
    } catch (error) {
      one.classList.remove("loading");
      one.textContent = "not available now";
      one.title = plain(error.message, 1000);
    }
  };
  const watch = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      load(target);
    }
  }, { rootMargin: "200px" });
  for (const one of root.querySelectorAll("[data-load]")) watch.observe(one);
}

/** `<button data-copy="ID">` copies the text of the element with that id. */
function copying(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  navigator.clipboard.writeText(text).then(() => tell("Copied", "good"), () => tell("Select the text and copy it", "bad"));
}

/** `<form data-sure="...">` asks before it is sent. */
function sure(event) {
  const question = event.target.dataset.sure;
  if (question && !confirm(question)) event.preventDefault();
}

document.addEventListener("click", copying);
document.addEventListener("submit", sure);
localTimes();
loadParts();
