// The stage: an image with shapes on it that is moved and zoomed by mouse, touch and keys.

import {
  areaOf, around, boundsOnStage, fit, holds, kept, meet, moved, seen, toImage, zoomed,
} from "./geometry.js";
import { boxes, drawn, svg } from "./shapes.js";
import { Tags } from "./tags.js";
import { Links } from "./links.js";

/** Above so many shapes in sight, boxes are drawn until one has zoomed in. */
export const MANY = 1500;
/** Above so many screen pixels for one of the image, its pixels are shown as squares. */
const CRISP = 3;
/** So far beyond the stage everything is painted while it is dragged; as in viewer.css. */
const RIM = 320;
const STEP = 64;
const CLICK = 5;

export class Stage extends EventTarget {
  /** `root` is focusable; `image` is {width, height, url}. Tells of "hover", "pick" (with `id`, or null) and "broken". */
  constructor(root, image) {
    super();
    this.root = root;
    this.image = image;
    this.items = [];
    this.elements = new Map();
    this.lit = new Set();
    this.picked = null;
    this.hovered = null;
    this.fitted = true;
    this.view = { k: 1, x: 0, y: 0 };
    this.pointers = new Map();
    this.shapes = svg("g", { class: "shapes" });
    this.above = svg("g", { class: "above" });
    this.world = svg("g", {}, this.#ground(), this.shapes, this.above);
    this.scene = svg("svg", { class: "scene", "aria-hidden": "true" }, this.world);
    this.over = Object.assign(document.createElement("div"), { className: "over" });
    this.links = new Links();
    this.tags = new Tags();
    this.over.append(this.links.element, this.tags.element);
    root.prepend(this.scene, this.over);
    this.#listen();
  }

  get size() {
    return { width: this.root.clientWidth, height: this.root.clientHeight };
  }

  #ground() {
    const { width, height, url } = this.image;
    const canvas = svg("rect", { class: "canvas", width, height });
    if (!url) return canvas;
    const picture = svg("image", { href: url, width, height, preserveAspectRatio: "none" });
    picture.addEventListener("error", () => this.dispatchEvent(new Event("broken")));
    return svg("g", {}, canvas, picture);
  }

  // What is on it

  /** Show items (those that are hidden left out), the large below the small; links join items by id. */
  show(items, links) {
    const level = ({ kind }) => (kind === "mask" ? 0 : kind === "polyline" ? 2 : kind === "point" ? 3 : 1);
    this.items = items
      .filter((one) => one.bounds)
      .sort((a, b) => level(a) - level(b) || areaOf(b.bounds) - areaOf(a.bounds));
    this.byId = new Map(items.map((one) => [one.id, one]));
    this.links.show(links);
    this.shapes.replaceChildren();
    this.area = null;
    this.draw();
  }

  /** Forget what was drawn of an item that has changed. */
  renew(id) {
    this.elements.delete(id);
  }

  #element(one) {
    let made = this.elements.get(one.id);
    if (!made) {
      made = drawn(one);
      this.elements.set(one.id, made);
    }
    return made;
  }

  /** Which shapes are in the document: all, or those in sight, or only their boxes. */
  #choose() {
    const sight = seen(this.view, this.size);
    const few = this.items.length <= MANY;
    const within = this.area && sight.every((value, at) => (at < 2 ? value >= this.area[at] : value <= this.area[at]));
    if (within && (few || this.zoom === this.view.k)) return;
    this.zoom = this.view.k;
    this.area = few ? [-Infinity, -Infinity, Infinity, Infinity] : seen(this.view, this.size, 0.5);
    const near = few ? this.items : this.items.filter((one) => meet(one.bounds, this.area));
    const inSight = few ? near.length : near.filter((one) => meet(one.bounds, sight)).length;
    this.many = inSight > MANY;
    const parts = this.many ? boxes(near) : near.map((one) => this.#element(one)).filter(Boolean);
    this.shapes.replaceChildren(...parts);
    this.root.dataset.drawn = this.many ? "boxes" : "shapes";
  }

  /** Draw at the next frame. */
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.now();
    });
  }

  now() {
    const { k, x, y } = this.view, rim = this.dragged ? RIM : 0;
    this.root.classList.toggle("crisp", k > CRISP);
    this.root.dataset.zoom = k.toFixed(3);
    const [dx, dy] = this.baked ? [x - this.baked.x, y - this.baked.y] : [Infinity, Infinity];
    if (this.dragged && this.baked?.k === k && Math.max(Math.abs(dx), Math.abs(dy)) <= RIM) {
      // What is painted is moved as it is, which costs nothing, until its rim comes into sight.
      this.scene.style.transform = this.over.style.transform = `translate(${dx}px, ${dy}px)`;
      return;
    }
    this.baked = this.view;
    this.scene.style.transform = this.over.style.transform = "";
    this.world.setAttribute("transform", `matrix(${k} 0 0 ${k} ${x + rim} ${y + rim})`);
    this.#choose();
    const on = (id) => {
      const bounds = this.byId?.get(id)?.bounds;
      return bounds ? boundsOnStage(this.view, bounds) : null;
    };
    this.links.place(on, this.lit);
    this.tags.place(this.items, on, this.lit, this.size);
  }

  /** Light up some items, and nothing else. */
  light(ids) {
    for (const id of this.lit) this.elements.get(id)?.classList.remove("lit");
    this.lit = new Set(ids);
    const extra = [];
    for (const id of this.lit) {
      const one = this.byId?.get(id);
      if (!one?.bounds) continue;
      this.#element(one)?.classList.add("lit");
      const copy = this.many || !this.elements.get(id)?.isConnected ? drawn(one) : null;
      if (copy) {
        copy.classList.add("lit");
        copy.removeAttribute("data-feature");
        extra.push(copy);
      }
    }
    this.above.replaceChildren(...extra);
    this.root.classList.toggle("lights", this.lit.size > 0);
    if (!this.dragged) this.draw();
  }

  /** What can be lit and gone to though it is not among the items shown. */
  know(items) {
    for (const one of items) if (!this.byId.has(one.id)) this.byId.set(one.id, one);
  }

  // The view

  look(view) {
    this.view = kept(view, this.image, this.size);
    this.draw();
  }

  fit() {
    this.fitted = true;
    this.look(fit(this.image, this.size));
  }

  /** Go to bounds of the image. */
  go(bounds) {
    this.fitted = false;
    this.look(around(bounds, this.size));
  }

  zoomBy(factor, x = this.size.width / 2, y = this.size.height / 2) {
    this.fitted = false;
    const whole = fit(this.image, this.size).k;
    this.look(zoomed(this.view, factor, x, y, [Math.min(whole, 1) / 4, 64]));
  }

  /** What is under a place of the stage: the shape on top, else a mask, else nothing. */
  at(place, target) {
    const feature = target?.closest?.("[data-feature]")?.dataset.feature;
    if (feature) return feature;
    const point = toImage(this.view, place);
    const slack = 3 / this.view.k;
    // The items are sorted: the last that is hit lies on top.
    for (let index = this.items.length - 1; index >= 0; index -= 1) {
      const one = this.items[index];
      if (one.kind === "mask") {
        if (one.mask?.holds(point)) return one.id;
      } else if (this.many && holds(one.bounds, point, slack)) return one.id;
    }
    return null;
  }

  // Mouse, touch, keys

  #place(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #hover(id) {
    if (id === this.hovered) return;
    this.hovered = id;
    this.root.classList.toggle("over-shape", id !== null);
    this.dispatchEvent(Object.assign(new Event("hover"), { id }));
  }

  #listen() {
    const { root } = this;
    root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, (event) => this.#up(event));
    root.addEventListener("pointerleave", () => this.#hover(null));
    root.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => (this.fitted ? this.fit() : this.look(this.view))).observe(root);
  }

  #wheel(event) {
    if (event.target.closest(".controls")) return;
    event.preventDefault();
    const unit = [1, 16, 400][event.deltaMode] ?? 1;
    const { x, y } = this.#place(event);
    const speed = event.ctrlKey ? 0.01 : 0.002;
    this.zoomBy(Math.exp(-Math.max(-400, Math.min(400, event.deltaY * unit)) * speed), x, y);
  }

  #down(event) {
    if (event.button > 1 || event.target.closest(".controls")) return;
    const place = this.#place(event);
    this.pointers.set(event.pointerId, place);
    capture(this.root, event.pointerId);
    if (this.pointers.size === 1) this.moved = false;
    this.target = event.target;
    this.start = { view: this.view, pointers: new Map(this.pointers) };
  }

  #move(event) {
    const place = this.#place(event);
    if (!this.pointers.has(event.pointerId)) {
      if (event.pointerType !== "touch") this.#hover(event.target.closest(".controls") ? null : this.at(place, event.target));
      return;
    }
    this.pointers.set(event.pointerId, place);
    const [first, second] = [...this.pointers.keys()];
    const a = this.start.pointers.get(first), b = this.pointers.get(first);
    if (second === undefined) {
      const dx = b.x - a.x, dy = b.y - a.y;
      if (!this.moved && Math.hypot(dx, dy) < CLICK) return;
      this.#moving();
      this.look(moved(this.start.view, dx, dy));
      return;
    }
    this.#moving();
    const c = this.start.pointers.get(second), d = this.pointers.get(second);
    const factor = Math.hypot(d.x - b.x, d.y - b.y) / Math.max(Math.hypot(c.x - a.x, c.y - a.y), 1);
    const from = { x: (a.x + c.x) / 2, y: (a.y + c.y) / 2 }, to = { x: (b.x + d.x) / 2, y: (b.y + d.y) / 2 };
    this.look(moved(zoomed(this.start.view, factor, from.x, from.y), to.x - from.x, to.y - from.y));
  }

  #moving() {
    this.moved = true;
    this.fitted = false;
    if (!this.dragged) {
      this.dragged = true;
      this.baked = null;
      this.root.classList.add("dragging");
    }
    this.#hover(null);
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pointers.size) {
      this.start = { view: this.view, pointers: new Map(this.pointers) };
      return;
    }
    this.start = null;
    this.dragged = false;
    this.baked = null;
    this.root.classList.remove("dragging");
    if (this.moved || event.type === "pointercancel") return this.draw();
    const id = this.at(this.#place(event), this.target);
    this.dispatchEvent(Object.assign(new Event("pick"), { id }));
  }

  #key(event) {
    if (event.target !== this.root || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (way) {
      this.fitted = false;
      this.look(moved(this.view, way[0] * STEP, way[1] * STEP));
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else return;
    event.preventDefault();
  }
}

/** Go on hearing of a pointer that leaves the stage; pointers made by programs cannot be held. */
function capture(root, pointer) {
  try {
    root.setPointerCapture(pointer);
  } catch (error) {
    if (error.name !== "NotFoundError") throw error;
  }
}
