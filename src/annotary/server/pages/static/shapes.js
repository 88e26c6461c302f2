// Objects of an export as SVG: one element each, in pixels of the image. Widths and dots keep their size at any zoom.

import { boundsOf, boxPath, cornersOf, facesOf, linePath, outlinePath, ringPath } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";

/** The words for kinds, as filters and listings have them. */
export const KINDS = {
  ImageBoundingBox: "box",
  ImagePolygon: "polygon",
  ImagePolyline: "polyline",
  ImageLine: "polyline",
  ImagePoint: "point",
  ImageSegmentationMask: "mask",
  ImageCuboid: "cuboid",
  ImageUnidirectionalRelationship: "relationship",
  ImageBidirectionalRelationship: "relationship",
};

/** Small pictures of the kinds, 16 x 16. */
export const GLYPHS = {
  box: "M2.5 3.5h11v9h-11z",
  polygon: "M8 2l6 4.5-2.5 7h-7L2 6.5z",
  polyline: "M2 13l4-7 4 4 4-7",
  point: "M8 5.5a2.5 2.5 0 1 0 .01 0zM8 1v2M8 13v2M1 8h2M13 8h2",
  mask: "M5 2.5c4-1.5 9 1 8.5 5s-3 6-6.5 6S1 10 2.5 6.5 3.5 3 5 2.5zM5 6h.1M8 6h.1M11 6h.1M5 9h.1M8 9h.1M11 9h.1",
  cuboid: "M2 5.5h8v8H2zM6 2h8v8M2 5.5L6 2M10 5.5L14 2M10 13.5L14 10",
  relationship: "M2 12c2-7 6-9 11-8M9.5 2l4 2-2.5 4",
  image: "M1.5 2.5h13v11h-13zM1.5 11.5l4-4 3 3 2-2 4 4",
};

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const glyph = (kind) =>
  svg("svg", { class: "glyph", viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
    svg("path", { d: GLYPHS[kind] ?? GLYPHS.box }));

/**
 * What the viewer knows of an object: `kind` in words, its class's colour, its bounds (null until a mask's
 * pixels are here), whether it is a prediction.
 */
export function item(object, { colour, prediction = false }) {
  return {
    id: object.feature_id,
    object,
    kind: KINDS[object.annotation_kind] ?? "",
    name: object.name ?? "",
    colour,
    prediction,
    confidence: object.confidence ?? null,
    bounds: boundsOf(object),
    mask: null,
  };
}

/** The element of an item; null for what has no shape, or not yet. */
export function drawn(one) {
  const parts = PARTS[one.kind]?.(one);
  if (!parts) return null;
  const names = ["shape", one.kind, one.prediction ? "prediction" : "label", one.fault ? "fault" : ""];
  return svg("g", {
    class: names.filter(Boolean).join(" "),
    "data-feature": one.id,
    "data-kind": one.kind,
    fill: one.colour,
    stroke: one.colour,
  }, ...parts);
}

const path = (className, d) => svg("path", { class: className, d });

const PARTS = {
  box: ({ bounds }) => [path("area edge", boxPath(bounds))],
  polygon({ object }) {
    const ring = ringPath(object.polygon), outline = outlinePath(object.polygon);
    return ring === outline ? [path("area edge", ring)] : [path("area", ring), path("edge bare", outline)];
  },
  polyline({ object }) {
    const d = linePath(object.line);
    return [path("reach", d), path("casing", d), path("line", d)];
  },
  point({ object }) {
    // A line without length and with round ends is a dot as wide as the line, whatever the zoom.
    const d = `M${object.point.x} ${object.point.y}h0`;
    return [path("reach dot", d), path("casing dot", d), path("line dot", d)];
  },
  cuboid({ object }) {
    const [front, back] = facesOf(object.cuboid).map(cornersOf);
    const edges = front.map((corner, at) => linePath([corner, back[at]])).join("");
    return [path("back", ringPath(back)), path("edges", edges), path("area edge", ringPath(front))];
  },
  mask({ id, mask, bounds }) {
    if (!mask || !bounds) return null;
    const [left, top, right, bottom] = bounds;
    const place = { x: left, y: top, width: right - left, height: bottom - top };
    const name = `mask-${mask.number}`;
    const pixels = svg("image", {
      href: mask.source, width: mask.width, height: mask.height, preserveAspectRatio: "none",
    });
    return [
      svg("mask", { id: name, maskUnits: "userSpaceOnUse", ...place }, pixels),
      svg("rect", { class: "pixels", mask: `url(#${name})`, "data-mask": id, ...place }),
      ...(mask.rim ? [path("rim", mask.rim)] : []),
    ];
  },
};

/** The boxes of many items in one element a colour: what is drawn where shapes are too many. */
export function boxes(items) {
  const byLook = new Map();
  for (const one of items) {
    const key = `${one.colour} ${one.prediction ? "prediction" : "label"}`;
    byLook.set(key, (byLook.get(key) ?? "") + boxPath(one.bounds));
  }
  return [...byLook].map(([key, d]) => {
    const [colour, side] = key.split(" ");
    return svg("path", { class: `many ${side}`, d, stroke: colour, fill: "none" });
  });
}
