// What is not over is looked at again and again: `data-alive` is where its present state is.

import { localTimes, piece } from "./base.js";

const SECONDS = [0.3, 0.5, 0.5, 1, 1, 1, 2];
let turn = 0;

async function look() {
  const one = document.querySelector("[data-alive]");
  if (!one) return;
  try {
    const html = await piece(one.dataset.alive);
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById(one.id);
    localTimes(fresh);
    // Who is about to press something is not disturbed.
    const held = one.contains(document.activeElement) && document.activeElement.closest("form")?.action;
    one.replaceWith(fresh);
    if (held) [...fresh.querySelectorAll("form")].find((form) => form.action === held)?.querySelector("button")?.focus();
    turn += 1;
  } catch (error) {
    // A server that is away for a moment is waited for.
    one.title = error.message;
  }
  if (document.querySelector("[data-alive]")) setTimeout(look, 1000 * SECONDS[Math.min(turn, SECONDS.length - 1)]);
}

setTimeout(look, 1000 * SECONDS[0]);
