// The names on the image: 11 px at any zoom, of labels above their shapes, of predictions below.

import { areaOf, ink, placed } from "./geometry.js";
import { plain } from "./names.js";

/** Shapes smaller than so many pixels on the stage have their names on hover only. */
const TINY = 24;
const MOST = 300;
const HEIGHT = 16, WIDEST = 180, PAD = 10;

export class Tags {
  constructor() {
    this.element = Object.assign(document.createElement("div"), { className: "tags" });
    this.element.setAttribute("aria-hidden", "true");
    this.names = true;
    this.made = new Map();
    this.badges = new Map();
    this.pen = new OffscreenCanvas(1, 1).getContext("2d");
    this.pen.font = `600 11px ${getComputedStyle(document.documentElement).fontFamily}`;
  }

  #tag(one) {
    let tag = this.made.get(one.id);
    if (tag) return tag;
    const element = document.createElement("span");
    element.className = `tag ${one.prediction ? "prediction" : "label"}`;
    element.style.setProperty("--class", one.colour);
    element.style.setProperty("--ink", ink(one.colour));
    const name = document.createElement("bdi");
    name.textContent = plain(one.name, 60);
    element.append(name);
    let more = "";
    if (one.confidence !== null) more += ` ${Math.round(100 * one.confidence)}%`;
    if (one.identical) more += ` ×${one.identical}`;
    if (more) element.append(Object.assign(document.createElement("span"), { className: "more", textContent: more }));
    element.dataset.of = one.id;
    const width = Math.min(WIDEST, this.pen.measureText(name.textContent + more).width + PAD);
    tag = { element, width };
    this.made.set(one.id, tag);
    return tag;
  }

  /** Forget the tags; names or badges have changed. */
  renew() {
    this.made.clear();
  }

  /** `on(id)` gives bounds on the stage. Lit items come first and always. */
  place(items, on, lit, stage) {
    const candidates = [];
    for (const one of items) {
      const isLit = lit.has(one.id);
      if (!isLit && !this.names) continue;
      const bounds = on(one.id);
      if (!bounds || bounds[2] < 0 || bounds[3] < 0 || bounds[0] > stage.width || bounds[1] > stage.height) continue;
      const size = Math.max(bounds[2] - bounds[0], bounds[3] - bounds[1]);
      if (!isLit && size < TINY && one.kind !== "point") continue;
      candidates.push({ one, bounds, isLit, weight: (isLit ? 1e12 : 0) + areaOf(bounds) });
    }
    candidates.sort((a, b) => b.weight - a.weight);
    const tags = candidates.slice(0, MOST).map(({ one, bounds, isLit }) => {
      const { element, width } = this.#tag(one);
      const [left, top] = corner(one, bounds, width, stage);
      element.classList.toggle("lit", isLit);
      return { element, width, left, top };
    });
    const free = new Set(placed(tags.map(({ left, top, width }) => [left, top, left + width, top + HEIGHT])));
    const shown = tags.filter(({ element }, index) => free.has(index) || element.classList.contains("lit"));
    this.element.replaceChildren(...shown.map(({ element, left, top }) => {
      element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
      return element;
    }));
  }
}

/** Where a tag goes: at the shape, and within the stage where the shape reaches out of it. */
function corner(one, [left, top, right, bottom], width, stage) {
  if (one.kind === "point") return [left + 8, top - HEIGHT / 2];
  const x = Math.max(2, Math.min(left - 1, stage.width - width - 2, right));
  const y = one.prediction ? bottom + 1 : top - HEIGHT - 1;
  return [x, Math.max(2, Math.min(y, stage.height - HEIGHT - 2))];
}
