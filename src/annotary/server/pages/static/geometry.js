// Shapes and views as numbers: pure functions, without a document.
//
// Pixels of the upright image from its top left corner, x to the right, y down, as exports have them.
// A view is {k, x, y}: the point p of the image is seen at k * p + (x, y) of the stage.
// Bounds are [left, top, right, bottom].

export const MAX_ZOOM = 64;

/** A number as it stands in a path: a thousandth of a pixel is enough to draw. */
export const short = (value) => Math.round(value * 1000) / 1000;

// Bounds

export function boundsOfPoints(points) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (const { x, y } of points) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return left <= right ? [left, top, right, bottom] : null;
}

/** The bounds of an object of an export; null for what has none in its JSON: masks and relationships. */
export function boundsOf(object) {
  if (object.bounding_box) {
    const { left, top, width, height } = object.bounding_box;
    return [left, top, left + width, top + height];
  }
  if (object.polygon) return boundsOfPoints(object.polygon);
  if (object.line) return boundsOfPoints(object.line);
  if (object.point) return boundsOfPoints([object.point]);
  if (object.cuboid) return boundsOfPoints(facesOf(object.cuboid).flatMap(cornersOf));
  return null;
}

export const areaOf = ([left, top, right, bottom]) => (right - left) * (bottom - top);
export const middleOf = ([left, top, right, bottom]) => ({ x: (left + right) / 2, y: (top + bottom) / 2 });
export const holds = ([left, top, right, bottom], { x, y }, slack = 0) =>
  x >= left - slack && x <= right + slack && y >= top - slack && y <= bottom + slack;
export const meet = (a, b) => a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];
export const union = (a, b) =>
  a && b ? [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])] : a ?? b;

// Cuboids

/** The first two rows of the rotation matrix of a rotation vector, by Rodrigues. */
function rotation({ x, y, z }) {
  const angle = Math.sqrt(x ** 2 + y ** 2 + z ** 2);
  if (angle === 0) return [[1, 0, 0], [0, 1, 0]];
  const [u, v, w] = [x / angle, y / angle, z / angle];
  const cos = Math.cos(angle), sin = Math.sin(angle), rest = 1 - cos;
  return [
    [cos + rest * u * u, rest * u * v - sin * w, rest * u * w + sin * v],
    [rest * u * v + sin * w, cos + rest * v * v, rest * v * w - sin * u],
  ];
}

/** Front and back of a cuboid seen without perspective; the front lies at +z, towards the viewer. */
export function cuboidFaces({ center, rotation: turn, size }) {
  const [rowX, rowY] = rotation(turn);
  const corner = (side, level, depth) => {
    const x = (side * size.x) / 2, y = (level * size.y) / 2, z = (depth * size.z) / 2;
    return {
      x: center.x + rowX[0] * x + rowX[1] * y + rowX[2] * z,
      y: center.y + rowY[0] * x + rowY[1] * y + rowY[2] * z,
    };
  };
  const face = (depth) => ({
    top_left: corner(-1, -1, depth),
    top_right: corner(1, -1, depth),
    bottom_left: corner(-1, 1, depth),
    bottom_right: corner(1, 1, depth),
  });
  return [face(1), face(-1)];
}

/** The faces an export gives, or those that follow where it gives none. */
export const facesOf = (cuboid) =>
  cuboid.front && cuboid.back ? [cuboid.front, cuboid.back] : cuboidFaces(cuboid);

/** The corners of a face in the order in which it is drawn around. */
export const cornersOf = (face) => [face.top_left, face.top_right, face.bottom_right, face.bottom_left];

// Paths

export function linePath(points) {
  let path = "";
  for (const { x, y } of points) path += `${path ? "L" : "M"}${short(x)} ${short(y)}`;
  return path;
}

export const ringPath = (points) => (points.length ? `${linePath(points)}Z` : "");

/** The outline of a ring: without the seams, drawn there and back, that join its holes and parts. */
export function outlinePath(points) {
  const key = ({ x, y }) => `${x},${y}`;
  const seen = new Set(points.map(key));
  const closed = points.length > 1 && key(points[0]) === key(points[points.length - 1]);
  if (seen.size === points.length - (closed ? 1 : 0)) return ringPath(points);
  const ring = closed ? points.slice(0, -1) : points;
  const keys = ring.map(key);
  const steps = new Set(ring.map((_, at) => `${keys[at]} ${keys[(at + 1) % ring.length]}`));
  let path = "", pen = null;
  ring.forEach((from, at) => {
    const next = (at + 1) % ring.length;
    if (keys[at] === keys[next] || steps.has(`${keys[next]} ${keys[at]}`)) return;
    if (pen !== keys[at]) path += `M${short(from.x)} ${short(from.y)}`;
    path += `L${short(ring[next].x)} ${short(ring[next].y)}`;
    pen = keys[next];
  });
  return path;
}

export const boxPath = ([left, top, right, bottom]) =>
  `M${short(left)} ${short(top)}H${short(right)}V${short(bottom)}H${short(left)}Z`;

/** A curve from one place to another that leaves the straight line by `bend` of its length, and its heads. */
export function arrow(from, to, { bend = 0.18, both = false, size = 9 } = {}) {
  const dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy);
  const lift = Math.max(bend * length, 12);
  const side = length ? { x: dy / length, y: -dx / length } : { x: 0, y: -1 };
  const middle = { x: (from.x + to.x) / 2 + side.x * lift, y: (from.y + to.y) / 2 + side.y * lift };
  const heads = [head(middle, to, size)];
  if (both) heads.push(head(middle, from, size));
  const top = { x: (from.x + 2 * middle.x + to.x) / 4, y: (from.y + 2 * middle.y + to.y) / 4 };
  const curve = `M${short(from.x)} ${short(from.y)}Q${short(middle.x)} ${short(middle.y)} ${short(to.x)} ${short(to.y)}`;
  return { curve, heads, top };
}

function head(from, tip, size) {
  const angle = Math.atan2(tip.y - from.y, tip.x - from.x);
  const barb = (turn) => ({ x: tip.x - size * Math.cos(angle + turn), y: tip.y - size * Math.sin(angle + turn) });
  return ringPath([tip, barb(0.45), barb(-0.45)]);
}

// Views

/** The view in which all of an image is seen, in the middle. */
export function fit(image, stage, pad = 12) {
  return around([0, 0, image.width, image.height], stage, { pad, most: MAX_ZOOM });
}

/** The view in which bounds are seen in the middle, with some of what is around them. */
export function around([left, top, right, bottom], stage, { pad = 80, most = 8 } = {}) {
  const room = (length) => Math.max(length - 2 * pad, length / 4, 1);
  const width = Math.max(right - left, 1e-6), height = Math.max(bottom - top, 1e-6);
  const k = Math.min(room(stage.width) / width, room(stage.height) / height, most);
  return { k, x: stage.width / 2 - (k * (left + right)) / 2, y: stage.height / 2 - (k * (top + bottom)) / 2 };
}

/** A view nearer or farther by a factor; the point under (x, y) of the stage stays where it is. */
export function zoomed(view, factor, x, y, [least, most] = [0.02, MAX_ZOOM]) {
  const k = Math.min(Math.max(view.k * factor, least), most), real = k / view.k;
  return { k, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
}

export const moved = (view, dx, dy) => ({ ...view, x: view.x + dx, y: view.y + dy });

/** The view moved so far that some of the image stays on the stage. */
export function kept(view, image, stage, rim = 48) {
  const hold = (at, length, room) => Math.min(Math.max(at, rim - length), room - rim);
  return {
    k: view.k,
    x: hold(view.x, view.k * image.width, stage.width),
    y: hold(view.y, view.k * image.height, stage.height),
  };
}

export const toImage = (view, { x, y }) => ({ x: (x - view.x) / view.k, y: (y - view.y) / view.k });
export const toStage = (view, { x, y }) => ({ x: view.k * x + view.x, y: view.k * y + view.y });
export const boundsOnStage = (view, [left, top, right, bottom]) => [
  view.k * left + view.x, view.k * top + view.y, view.k * right + view.x, view.k * bottom + view.y,
];

/** What of the image is on the stage, and `more` of the stage's size around it. */
export function seen(view, stage, more = 0) {
  const from = toImage(view, { x: -more * stage.width, y: -more * stage.height });
  const to = toImage(view, { x: (1 + more) * stage.width, y: (1 + more) * stage.height });
  return [from.x, from.y, to.x, to.y];
}

// Objects beside each other

const SHAPES = ["bounding_box", "polygon", "line", "point", "cuboid"];

/** Of how many identical objects each is one: same kind, same class, same place. By feature id. */
export function identical(objects) {
  const groups = new Map();
  for (const one of objects) {
    const shape = SHAPES.find((name) => one[name]);
    if (!shape) continue;
    const key = JSON.stringify([one.annotation_kind, one.name, one[shape]]);
    groups.set(key, [...(groups.get(key) ?? []), one.feature_id]);
  }
  const counts = new Map();
  for (const ids of groups.values()) if (ids.length > 1) for (const id of ids) counts.set(id, ids.length);
  return counts;
}

/** Which of some rectangles [left, top, right, bottom] can be shown, the first first, without covering another. */
export function placed(rectangles, cell = 64) {
  const grid = new Map(), shown = [];
  rectangles.forEach((one, index) => {
    const cells = [];
    for (let row = Math.floor(one[1] / cell); row <= Math.floor(one[3] / cell); row += 1)
      for (let column = Math.floor(one[0] / cell); column <= Math.floor(one[2] / cell); column += 1)
        cells.push(`${row} ${column}`);
    if (cells.some((name) => grid.get(name)?.some((other) => meet(one, other)))) return;
    for (const name of cells) grid.set(name, [...(grid.get(name) ?? []), one]);
    shown.push(index);
  });
  return shown;
}

/** Black or white: what can be read on a colour #rrggbb (the higher contrast by WCAG 2.2). */
export function ink(colour) {
  const light = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
  return (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) ? "#000000" : "#ffffff";
}
