// Masks of an export: PNGs behind URLs, opened by the page's own cookie, and what their pixels say.

import { short } from "./geometry.js";

const LONGEST = 1024;
/** A mask with an edge of more pixels is drawn without it. */
const EDGES = 40_000;
let numbers = 0;

/** The path of one of our own addresses on this page's origin; null for an address elsewhere. */
export function ownPath(url, base) {
  return base && url.startsWith(`${base}/`) ? url.slice(base.length) : null;
}

/**
 * A mask's PNG: `source` to draw it from, `bounds` of what is inside (null: nothing), the `share` of the image
 * that it covers, and `holds(point)`. Raises an Error with the reason.
 */
export async function loaded(path, { width, height }) {
  const answer = await fetch(path, { credentials: "same-origin", headers: { Accept: "image/png,application/json" } });
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw new Error(body?.error?.message ?? `the server answered ${answer.status}`);
  }
  const blob = await answer.blob();
  const picture = await createImageBitmap(blob);
  numbers += 1;
  const pixels = inside(picture, width, height);
  picture.close();
  return { number: numbers, source: URL.createObjectURL(blob), width, height, ...pixels };
}

/** The edge between inside and outside as closed paths; empty where it is too long to draw. */
export function rimOf(bits, across, { left, top, wide, high }) {
  const down = bits.length / across, wider = across + 1;
  // Each corner of a pixel has at most two edges that leave it, with the inside on their right.
  const first = new Int32Array(wider * (down + 1)).fill(-1), second = new Int32Array(wider * (down + 1)).fill(-1);
  const inside = (row, column) => row >= 0 && row < down && column >= 0 && column < across && bits[row * across + column] === 1;
  let count = 0;
  const edge = (from, to) => {
    (first[from] < 0 ? first : second)[from] = to;
    count += 1;
  };
  for (let row = 0; row < down; row += 1) {
    for (let column = 0; column < across; column += 1) {
      if (!inside(row, column)) continue;
      const corner = row * wider + column;
      if (!inside(row - 1, column)) edge(corner, corner + 1);
      if (!inside(row, column + 1)) edge(corner + 1, corner + 1 + wider);
      if (!inside(row + 1, column)) edge(corner + 1 + wider, corner + wider);
      if (!inside(row, column - 1)) edge(corner + wider, corner);
    }
  }
  if (count > EDGES) return "";
  const x = (corner) => short((left + (corner % wider)) * wide), y = (corner) => short((top + Math.floor(corner / wider)) * high);
  const take = (from) => {
    const places = second[from] >= 0 ? second : first, to = places[from];
    places[from] = -1;
    return to;
  };
  let path = "";
  for (let start = 0; start < first.length; start += 1) {
    while (first[start] >= 0) {
      let at = take(start), step = at - start;
      path += `M${x(start)} ${y(start)}`;
      while (at !== start) {
        const next = take(at);
        if (next - at !== step) path += Math.abs(step) === 1 ? `H${x(at)}` : `V${y(at)}`;
        step = next - at;
        at = next;
      }
      path += "Z";
    }
  }
  return path;
}

/** What is inside, found on a picture no larger than it has to be to point at. */
function inside(picture, width, height) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const columns = Math.max(1, Math.round(width * scale)), rows = Math.max(1, Math.round(height * scale));
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, columns, rows);
  const { data } = context.getImageData(0, 0, columns, rows);
  const bits = new Uint8Array(columns * rows);
  let left = columns, top = rows, right = -1, bottom = -1, sum = 0;
  for (let row = 0, at = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1, at += 1) {
      const value = data[4 * at];
      if (!value) continue;
      bits[at] = 1;
      sum += value / 255;
      if (column < left) left = column;
      if (column > right) right = column;
      if (row < top) top = row;
      bottom = row;
    }
  }
  if (right < 0) return { bounds: null, share: 0, rim: "", holds: () => false };
  const wide = width / columns, high = height / rows;
  // Only what is around the object is kept: a row may have hundreds of masks.
  const across = right - left + 1, kept = new Uint8Array(across * (bottom - top + 1));
  for (let row = top; row <= bottom; row += 1)
    kept.set(bits.subarray(row * columns + left, row * columns + right + 1), (row - top) * across);
  return {
    bounds: [left * wide, top * high, (right + 1) * wide, (bottom + 1) * high],
    share: sum / (columns * rows),
    rim: rimOf(kept, across, { left, top, wide, high }),
    holds({ x, y }) {
      const column = Math.floor(x / wide), row = Math.floor(y / high);
      if (column < left || column > right || row < top || row > bottom) return false;
      return kept[(row - top) * across + column - left] === 1;
    },
  };
}
