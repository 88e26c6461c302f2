// The page of a data row: what is shown of it, and everything that people do with it.

import { ask, tell } from "./base.js";
import { union } from "./geometry.js";
import { el, named } from "./names.js";
import { ObjectList, alone, entry, pair, relation } from "./objectlist.js";
import { tree } from "./answers.js";
import { loaded, ownPath } from "./masks.js";
import { classesOf, read, sidesOf } from "./rowdata.js";
import { Stage } from "./stage.js";

/** Classes whose masks cover more of the image than this start hidden. */
const BIG = 0.5;
/** How people like to look is kept for good; which classes they look at, for the project and the day. */
const KEPT = "annotary-view";
const CLASSES = `annotary-classes ${location.pathname.split("/rows/")[0]}`;

function remembered(store, name) {
  try {
    return JSON.parse(store.getItem(name)) ?? {};
  } catch {
    return {};
  }
}

/** The smallest size that holds everything, where the size of the image is not known. */
function sizeOf({ media_attributes: media }, items) {
  if (media?.width && media?.height) return { width: media.width, height: media.height, known: true };
  const bounds = items.reduce((all, one) => union(all, one.bounds), null);
  return { width: Math.max(64, bounds?.[2] ?? 640), height: Math.max(64, bounds?.[3] ?? 480), known: false };
}

class Viewer {
  constructor(data) {
    this.data = data;
    this.find = (name) => document.querySelector(`[data-view="${name}"]`);
    this.kept = remembered(localStorage, KEPT);
    this.shownClasses = new Map(Object.entries(remembered(sessionStorage, CLASSES)));
    this.shares = new Map();
    this.masks = new Map();
    this.state = new URLSearchParams(location.search);
    this.picked = [];
    this.sides = sidesOf(data.row);
    this.#readSides();
    this.image = { ...sizeOf(data.row, this.every), url: data.image.url };
    this.stage = new Stage(this.find("stage"), this.image);
    this.list = new ObjectList(this.find("list"));
    this.#controls();
    this.#events();
    if (!data.image.url) this.#missing(data.image.reason);
    this.stage.fit();
    this.show();
    this.#loadMasks();
    this.#goToHash();
  }

  // What there is

  get mode() {
    if (!this.sides.predictions.length) return "labels";
    const said = this.state.get("show");
    return ["labels", "predictions", "both"].includes(said) ? said : this.data.show;
  }

  get label() {
    return this.sides.labels.find(({ id }) => id === this.state.get("label")) ?? this.sides.labels[0];
  }

  #readSides() {
    const taken = new Set(), colour = (name) => this.data.colours[name] ?? "#808080";
    this.labels = read(this.label ? [this.label] : [], { prediction: false, colour, taken });
    this.predictions = read(this.sides.predictions, { prediction: true, colour, taken });
    this.every = [...this.labels.items, ...this.predictions.items];
    this.byId = new Map([...this.every, ...this.labels.links, ...this.predictions.links].map((one) => [one.id, one]));
    for (const one of this.every) {
      if (one.kind === "mask") Object.assign(one, this.masks.get(one.object.mask?.url) ?? {});
    }
    this.#match();
  }

  /** What goes with what, as the server has matched it. */
  #match() {
    this.partner = new Map();
    this.faults = new Set();
    const { match } = this.data;
    const left = (id) => this.byId.get(this.labels.keys.get(id)), right = (id) => this.byId.get(this.predictions.keys.get(id));
    this.pairs = (match?.pairs ?? [])
      .map(({ label, prediction, iou }) => ({ left: left(label), right: right(prediction), iou }))
      .filter((one) => one.left && one.right)
      .sort((a, b) => a.iou - b.iou);
    for (const one of this.pairs) {
      this.partner.set(one.left.id, one.right.id);
      this.partner.set(one.right.id, one.left.id);
    }
    const faults = [...(match?.missed ?? []).map(left), ...(match?.spurious ?? []).map(right)].filter(Boolean);
    for (const one of this.every) one.fault = false;
    for (const one of faults) this.faults.add(one);
    for (const { left: one, right: other } of this.pairs) if (one.name !== other.name) one.fault = other.fault = true;
    for (const one of this.faults) one.fault = true;
  }

  /** The objects and relationships that the mode shows. */
  get current() {
    const sides = { labels: [this.labels], predictions: [this.predictions], both: [this.labels, this.predictions] }[this.mode];
    return { items: sides.flatMap(({ items }) => items), links: sides.flatMap(({ links }) => links), sides };
  }

  isShown(name) {
    return this.shownClasses.get(name) ?? (this.shares.get(name) ?? 0) <= BIG;
  }

  // Showing it

  show() {
    const { items, links } = this.current;
    this.stage.elements.clear();
    this.stage.tags.renew();
    this.stage.root.dataset.mode = this.mode;
    this.#showClasses([...items, ...links]);
    this.#draw();
    this.list.show(this.#sections());
    this.list.pick(this.picked);
  }

  #draw() {
    const { items, links } = this.current;
    const visible = new Set(items.filter(({ name }) => this.isShown(name)));
    const ids = new Set([...visible].map(({ id }) => id));
    this.stage.show([...visible], links.filter((one) => this.isShown(one.name) && ids.has(one.source) && ids.has(one.target)));
    this.stage.know(items);
    this.stage.light(this.#group(this.picked));
  }

  #sections() {
    const { items, links, sides } = this.current;
    const sections = [], label = this.mode === "predictions" ? null : this.label;
    const images = sides.filter(({ answers }) => answers.length).map((side) => {
      const [id, title] = side === this.predictions && sides.length > 1 ? ["image-predicted", "Image, as predicted"] : ["image", "Image"];
      return { id, title, entries: [el("li", { ids: [] }, tree(side.answers))], counted: false };
    });
    const inOrder = (some) => {
      const places = new Map(classesOf(some, this.data.order).map(({ name }, at) => [name, at]));
      return some.map((one, at) => [places.get(one.name), at, one]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , one]) => one);
    };
    if (this.mode === "both" && this.data.match) {
      const compared = new Set([...this.faults, ...this.pairs.flatMap(({ left, right }) => [left, right])]);
      const iou = this.data.iou.toFixed(2);
      sections.push(
        { id: "unmatched", title: "Unmatched", note: this.faults.size ? "" : `Everything has its pair at IoU ${iou}.`, entries: inOrder([...this.faults]).map(alone) },
        { id: "pairs", title: "Pairs, worst first", note: this.pairs.length ? "By the IoU of the boxes around them." : `Nothing overlaps by IoU ${iou}.`, entries: this.pairs.map((one) => pair(one.left, one.right, one.iou)) });
      const rest = inOrder(items.filter((one) => !compared.has(one)));
      if (rest.length) sections.push({ id: "uncompared", title: "Not compared", note: "Points, lines, and what has no area.", entries: rest.map(entry) });
    } else {
      const empty = label || this.mode !== "labels" ? "Nothing is drawn on this image." : "Nobody has labelled this row yet.";
      sections.push({ id: "objects", title: "Objects", note: items.length ? "" : empty, entries: inOrder(items).map(entry) });
    }
    // What is to be compared comes first.
    if (this.mode === "both") sections.push(...images);
    else sections.unshift(...images);
    if (links.length) {
      const entries = links.map((one) => relation(one, this.byId.get(one.source), this.byId.get(one.target)));
      sections.push({ id: "relationships", title: "Relationships", entries });
    }
    return sections;
  }

  #showClasses(every) {
    const place = this.find("classes");
    place.replaceChildren(...classesOf(every, this.data.order).map(({ name, colour, count }) => {
      const shown = this.isShown(name), share = this.shares.get(name) ?? 0;
      const swatch = el("span", { className: "swatch" });
      swatch.style.setProperty("--class", colour);
      const chip = el("button", {
        type: "button", className: "class-chip", data: { class: name }, aria: { pressed: shown },
        title: share > BIG ? `covers ${Math.round(100 * share)}% of the image: hidden at first` : "",
      }, swatch, named(name || "(no name)", 60), el("span", { className: "quiet" }, count.toLocaleString("en")));
      chip.addEventListener("click", () => {
        this.shownClasses.set(name, !this.isShown(name));
        sessionStorage.setItem(CLASSES, JSON.stringify(Object.fromEntries(this.shownClasses)));
        chip.setAttribute("aria-pressed", this.isShown(name));
        this.#draw();
      });
      return chip;
    }));
  }

  // Masks come after the page

  async #loadMasks() {
    const waiting = this.every.filter(({ kind, mask, reason }) => kind === "mask" && !mask && !reason);
    const next = async () => {
      for (let one = waiting.shift(); one; one = waiting.shift()) await this.#loadMask(one);
    };
    await Promise.all(Array.from({ length: 6 }, next));
    if (!this.every.some(({ kind }) => kind === "mask")) return;
    this.shares.clear();
    for (const { name, mask, prediction } of this.every) {
      if (mask && !prediction) this.shares.set(name, (this.shares.get(name) ?? 0) + mask.share);
    }
    if (!this.labels.items.length) {
      for (const { name, mask } of this.every) if (mask) this.shares.set(name, (this.shares.get(name) ?? 0) + mask.share);
    }
    this.show();
    this.stage.root.dataset.masks = "loaded";
  }

  async #loadMask(one) {
    const url = one.object.mask?.url ?? "", path = ownPath(url, this.data.base_url);
    let found;
    try {
      if (!path) throw new Error(url ? `its pixels are elsewhere: ${url.slice(0, 200)}` : "its pixels are not here");
      const mask = await loaded(path, this.image);
      found = mask.bounds ? { mask, bounds: mask.bounds } : { reason: "the mask is empty" };
    } catch (error) {
      found = { reason: error.message };
    }
    this.masks.set(url, found);
    Object.assign(one, found);
  }

  // What people do

  #group(ids) {
    const all = new Set(ids);
    for (const id of ids) {
      const one = this.byId.get(id);
      if (one?.source) all.add(one.source).add(one.target);
      if (this.mode === "both" && this.partner.has(id)) all.add(this.partner.get(id));
    }
    return [...all];
  }

  #light(ids, { scroll = false } = {}) {
    const group = this.#group(ids ?? this.picked);
    this.stage.light(group);
    this.list.light(ids ? group : [], { scroll });
  }

  /** Go to objects, and keep them lit. */
  pick(ids) {
    this.picked = ids.filter((id) => this.byId.has(id));
    const bounds = this.#group(this.picked).reduce((all, id) => union(all, this.byId.get(id)?.bounds ?? null), null);
    if (bounds) this.stage.go(bounds);
    this.list.pick(this.picked);
    this.#light(null);
    const hash = this.picked.length ? `#${new URLSearchParams(this.picked.map((id) => ["object", id]))}` : "";
    history.replaceState(null, "", location.pathname + location.search + hash);
  }

  #goToHash() {
    const ids = new URLSearchParams(location.hash.slice(1)).getAll("object");
    if (ids.length) this.pick(ids);
  }

  #keep(more) {
    this.kept = { ...this.kept, ...more };
    localStorage.setItem(KEPT, JSON.stringify(this.kept));
  }

  #go(changes) {
    for (const [name, value] of Object.entries(changes)) this.state.set(name, value);
    history.replaceState(null, "", `${location.pathname}?${this.state}`);
    for (const link of document.querySelectorAll("a[data-keep]")) {
      const address = new URL(link.href);
      for (const name of ["show", "iou"]) if (this.state.has(name)) address.searchParams.set(name, this.state.get(name));
      link.href = address.pathname + address.search;
    }
  }

  #events() {
    this.stage.addEventListener("hover", ({ id }) => this.#light(id ? [id] : null, { scroll: true }));
    this.stage.addEventListener("pick", ({ id }) => this.pick(id ? [id] : []));
    this.stage.addEventListener("broken", () => this.#broken());
    this.list.addEventListener("hover", ({ ids }) => this.#light(ids));
    this.list.addEventListener("pick", ({ ids }) => this.pick(ids));
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #controls() {
    const { stage } = this, on = (name, does) => this.find(name)?.addEventListener("click", does);
    on("fit", () => stage.fit());
    on("hide", () => this.#toggleAll());
    on("names", () => this.#toggleNames());
    on("in", () => stage.zoomBy(1.5));
    on("out", () => stage.zoomBy(1 / 1.5));
    const fill = this.find("fill");
    fill.value = this.kept.fill ?? fill.value;
    const fills = () => stage.root.style.setProperty("--fill", String(fill.value / 100));
    fill.addEventListener("input", () => {
      fills();
      this.#keep({ fill: fill.value });
    });
    fills();
    this.stage.tags.names = this.kept.names ?? true;
    this.find("names").setAttribute("aria-pressed", stage.tags.names);
    this.find("label")?.addEventListener("change", ({ target }) => {
      this.#go({ label: target.value });
      this.picked = [];
      this.#readSides();
      this.#rematch();
      this.show();
      this.#loadMasks();
    });
    if (this.label && this.find("label")) this.find("label").value = this.label.id;
    for (const one of document.querySelectorAll("[name=show]")) {
      one.checked = one.value === this.mode;
      one.addEventListener("change", () => {
        this.#go({ show: one.value });
        this.#mode();
        this.show();
      });
    }
    const iou = this.find("iou");
    iou?.addEventListener("input", () => (this.find("iou-said").value = Number(iou.value).toFixed(2)));
    iou?.addEventListener("change", () => {
      this.#go({ iou: iou.value });
      this.#rematch();
    });
    this.#mode();
  }

  #mode() {
    this.find("threshold")?.toggleAttribute("hidden", this.mode !== "both");
  }

  /** Let the server match again, with the present threshold and label. */
  async #rematch() {
    if (!this.find("iou")) return;
    const asked = new URLSearchParams(this.state);
    asked.set("format", "json");
    try {
      const { match, iou } = await ask(`${location.pathname}?${asked}`);
      Object.assign(this.data, { match, iou });
    } catch (error) {
      tell(error.message, "bad");
      return;
    }
    this.#match();
    this.show();
  }

  #toggleAll() {
    const hidden = this.stage.root.classList.toggle("bare");
    this.find("hide").setAttribute("aria-pressed", hidden);
  }

  #toggleNames() {
    this.stage.tags.names = !this.stage.tags.names;
    this.find("names").setAttribute("aria-pressed", this.stage.tags.names);
    this.#keep({ names: this.stage.tags.names });
    this.stage.draw();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.matches("input:not([type=radio]):not([type=range]), select, textarea")) return;
    const goes = (name) => this.find(name)?.href && this.find(name).click();
    const does = {
      f: () => this.stage.fit(),
      h: () => this.#toggleAll(),
      l: () => this.#toggleNames(),
      j: () => goes("previous"),
      k: () => goes("next"),
      escape: () => this.pick([]),
    }[event.key.toLowerCase()];
    if (does) does();
  }

  // An image that is not there

  #missing(reason) {
    const { width, height, known } = this.image;
    const size = known ? `${width} × ${height}` : "size unknown";
    this.stage.root.classList.add("no-image");
    this.find("missing").replaceChildren(el("strong", {}, "The image is not here"), ` (${size}): `, el("bdi", {}, reason || "its file was not given"));
    this.find("missing").hidden = false;
  }

  async #broken() {
    let reason = "the browser cannot read it";
    try {
      const answer = await fetch(this.image.url, { headers: { Accept: "application/json" } });
      if (!answer.ok) reason = (await answer.json()).error.message;
    } catch {
      reason = "the server does not answer";
    }
    this.#missing(reason);
  }
}

export const viewer = new Viewer(JSON.parse(document.getElementById("row-data").textContent));
