// Masks of an export: PNGs behind URLs, opened by the page's own cookie, and what their pixels say.

import { short } from "./geometry.js";

const LONGEST = 1024;
/** A mask with more edges than that is drawn without them. */
const EDGES = 8000;
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

/** The edges between inside and outside as a path; empty where there are too many to draw. */
export function rimOf(bits, across, { left, top, wide, high }) {
  const down = bits.length / across, runs = [];
  const inside = (row, column) => row >= 0 && row < down && column >= 0 && column < across && bits[row * across + column] === 1;
  // Where two neighbours differ there is an edge; edges in a line are one run.
  const walk = (lines, length, differ, run) => {
    for (let line = 0; line <= lines && runs.length <= EDGES; line += 1) {
      let start = -1;
      for (let at = 0; at <= length; at += 1) {
        const edge = at < length && differ(line, at);
        if (edge && start < 0) start = at;
        if (!edge && start >= 0) {
          runs.push(run(line, start, at));
          start = -1;
        }
      }
    }
  };
  const x = (column) => short((left + column) * wide), y = (row) => short((top + row) * high);
  walk(down, across, (line, at) => inside(line - 1, at) !== inside(line, at), (line, from, to) => `M${x(from)} ${y(line)}H${x(to)}`);
  walk(across, down, (line, at) => inside(at, line - 1) !== inside(at, line), (line, from, to) => `M${x(line)} ${y(from)}V${y(to)}`);
  return runs.length > EDGES ? "" : runs.join("");
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
