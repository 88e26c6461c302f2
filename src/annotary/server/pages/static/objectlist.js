// The list beside the image: objects with their answers, pairs with their IoU, relationships.

import { el, named } from "./names.js";
import { glyph } from "./shapes.js";
import { sure, tree } from "./answers.js";

export class ObjectList extends EventTarget {
  /** Tells of "hover" and "pick" with the `ids` of an entry (null: none any more). */
  constructor(root) {
    super();
    this.root = root;
    this.entries = new Map();
    const of = (event) => event.target.closest?.(".item")?.ids ?? null;
    const hover = (ids) => this.dispatchEvent(Object.assign(new Event("hover"), { ids }));
    root.addEventListener("pointerover", (event) => hover(of(event)));
    root.addEventListener("pointerleave", () => hover(null));
    root.addEventListener("focusin", (event) => hover(of(event)));
    root.addEventListener("focusout", () => hover(null));
    root.addEventListener("click", (event) => {
      if (event.target.closest("button.entry")) this.dispatchEvent(Object.assign(new Event("pick"), { ids: of(event) }));
    });
    root.addEventListener("keydown", (event) => this.#step(event));
  }

  /** Sections are {title, note, entries, id}; an entry is an element made by `entry` or `pair`. */
  show(sections) {
    this.entries.clear();
    this.root.replaceChildren(...sections.map(({ id, title, note, entries, counted }) => {
      for (const one of entries) for (const key of one.ids) this.entries.set(key, one);
      const heading = el("h2", { id: `list-${id}` }, title, " ",
        counted !== false && entries.length ? el("span", { className: "quiet small" }, entries.length.toLocaleString("en")) : null);
      return el("section", { data: { section: id }, className: "objects" },
        heading, note ? el("p", { className: "quiet small" }, note) : null,
        entries.length ? el("ul", { aria: { labelledby: `list-${id}` } }, ...entries) : null);
    }));
  }

  light(ids, { scroll = false } = {}) {
    for (const one of this.root.querySelectorAll(".lit")) one.classList.remove("lit");
    const found = ids.map((id) => this.entries.get(id)).filter(Boolean);
    for (const one of found) one.classList.add("lit");
    if (scroll) found[0]?.scrollIntoView({ block: "nearest" });
  }

  pick(ids) {
    for (const one of this.root.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    for (const id of ids) this.entries.get(id)?.querySelector(".entry")?.setAttribute("aria-current", "true");
  }

  #step(event) {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way || !event.target.matches("button.entry")) return;
    const every = [...this.root.querySelectorAll("button.entry")];
    every[every.indexOf(event.target) + way]?.focus();
    event.preventDefault();
  }
}

const badge = (text, kind = "", title = "") => el("span", { className: `badge ${kind}`, title }, text);

function line(one, ...more) {
  const swatch = el("span", { className: `swatch ${one.prediction ? "prediction" : ""}` });
  swatch.style.setProperty("--class", one.colour);
  return [
    swatch, glyph(one.kind), el("span", { className: "what" }, named(one.name || "(no name)")), ...more,
  ].filter(Boolean);
}

/** What is to be said of an item beside its name. */
function remarks(one) {
  return [
    one.confidence === null ? null : sure(one),
    one.identical ? badge(`${one.identical} identical`, "warn", "Several objects lie exactly on each other") : null,
    one.reason ? badge("not drawn", "", one.reason) : null,
  ].filter(Boolean);
}

const label = (one) => [one.prediction ? "prediction" : "", one.name || "no name", one.kind].filter(Boolean).join(" ");

/** An object, with the answers about it. */
export function entry(one) {
  return el("li", { className: "item", ids: [one.id], data: { object: one.id, kind: one.kind } },
    el("button", { type: "button", className: "entry", aria: { label: `${label(one)}: zoom to it` } },
      ...line(one, ...remarks(one))),
    one.reason ? el("p", { className: "reason quiet small" }, one.reason) : null,
    tree(one.object.classifications));
}

/** Something of one side that has nothing on the other. */
export function alone(one) {
  const made = entry(one);
  made.classList.add("fault");
  const word = one.prediction ? "false positive" : "missed";
  made.querySelector(".entry").append(badge(word, "bad"));
  made.querySelector(".entry").setAttribute("aria-label", `${word}: ${label(one)}: zoom to it`);
  return made;
}

/** A label's object and the prediction that goes with it. */
export function pair(left, right, iou) {
  const differ = left.name !== right.name;
  const said = `${label(left)} and ${label(right)}, IoU ${iou.toFixed(2)}: zoom to them`;
  return el("li", { className: `item pair ${differ ? "fault" : ""}`, ids: [left.id, right.id], data: { pair: iou.toFixed(4) } },
    el("button", { type: "button", className: "entry", aria: { label: said } },
      ...line(left, ...remarks(left)),
      el("span", { className: "against" }, differ ? "≠" : "="),
      ...(differ ? line(right, ...remarks(right)) : remarks(right)),
      el("span", { className: "iou", title: `IoU ${iou}` }, iou.toFixed(2))),
    tree(left.object.classifications), tree(right.object.classifications));
}

/** A relationship: what it joins, and how. */
export function relation(one, source, target) {
  const end = (other) => {
    if (!other) return el("span", { className: "quiet" }, "not here");
    return el("span", { className: "end" }, ...line(other));
  };
  const swatch = el("span", { className: `swatch ${one.prediction ? "prediction" : ""}` });
  swatch.style.setProperty("--class", one.colour);
  const said = `${one.name || "relationship"}: ${source?.name ?? "?"} ${one.both ? "and" : "to"} ${target?.name ?? "?"}: zoom to them`;
  return el("li", { className: "item relation", ids: [one.id], data: { object: one.id, kind: "relationship" } },
    el("button", { type: "button", className: "entry", aria: { label: said } },
      swatch, glyph("relationship"), el("span", { className: "what" }, named(one.name || "(no name)")), ...remarks(one)),
    el("p", { className: "ends" }, end(source), el("span", { className: "arrow" }, one.both ? "↔" : "→"), end(target)),
    tree(one.object.classifications));
}
