// Relationships on the image: curved arrows from one object to another, of one size at any zoom.

import { arrow, middleOf } from "./geometry.js";
import { svg } from "./shapes.js";

export class Links {
  constructor() {
    this.element = svg("svg", { class: "links", "aria-hidden": "true" });
    this.links = [];
  }

  /** Links are {id, name, colour, source, target, both, prediction}. */
  show(links) {
    this.links = links;
    this.bends = bends(links);
  }

  /** `on(id)` gives bounds on the stage, null for what is not shown. */
  place(on, lit) {
    const made = [];
    for (const one of this.links) {
      const from = on(one.source), to = on(one.target);
      if (!from || !to) continue;
      const { curve, heads } = arrow(middleOf(from), middleOf(to), { both: one.both, bend: this.bends.get(one.id) });
      const names = ["link", one.prediction ? "prediction" : "label", lit.has(one.id) ? "lit" : ""];
      const tip = heads.join("");
      made.push(svg("g", {
        class: names.filter(Boolean).join(" "), "data-feature": one.id, "data-kind": "relationship",
        stroke: one.colour, fill: one.colour,
      },
        svg("path", { class: "reach", d: curve }),
        svg("path", { class: "casing", d: curve + tip }),
        svg("path", { class: "line", d: curve }),
        svg("path", { class: "tip", d: tip })));
    }
    this.element.replaceChildren(...made);
  }
}

/** How far each is bent: two between the same objects do not lie on each other. */
function bends(links) {
  const met = new Map(), found = new Map();
  for (const { id, source, target } of links) {
    const pair = [source, target].join(" ");
    const before = met.get(pair) ?? 0;
    met.set(pair, before + 1);
    found.set(id, 0.18 + 0.14 * before);
  }
  return found;
}
