// A row of an export as the viewer shows it: its labels and predictions, as items and links.

import { identical } from "./geometry.js";
import { item } from "./shapes.js";

/** Every label and every prediction of a row: {id, title, label}. */
export function sidesOf(row) {
  const labels = [], predictions = [];
  const add = (list, given, place) => {
    for (const label of given ?? []) list.push({ id: label.id, place, label });
  };
  for (const part of Object.values(row.projects ?? {})) add(labels, part.labels, part.project_name ?? part.name ?? "");
  for (const model of Object.values(row.experiments ?? {})) {
    for (const run of Object.values(model.runs ?? {})) {
      add(labels, run.labels, run.name ?? "");
      add(predictions, run.predictions, run.name ?? "");
    }
  }
  return { labels, predictions };
}

const endsOf = (object) => object.unidirectional_relationship ?? object.bidirectional_relationship;

/**
 * The items and links of some labels (or predictions); `taken` holds the keys in use, as one id may stand on
 * both sides, and `colour` gives that of a class.
 */
export function read(labels, { prediction, colour, taken }) {
  const items = [], links = new Map(), keys = new Map();
  for (const { label } of labels) {
    const { objects = [], relationships = [] } = label.annotations ?? {};
    const same = identical(objects);
    for (const object of [...objects, ...relationships]) {
      if (!object.annotation_kind || keys.has(object.feature_id)) continue;
      const one = item(object, { colour: colour(object.name ?? ""), prediction });
      while (taken.has(one.id)) one.id += "~";
      taken.add(one.id);
      keys.set(object.feature_id, one.id);
      one.identical = same.get(object.feature_id) ?? 0;
      if (endsOf(object)) links.set(one.id, one);
      else items.push(one);
    }
  }
  for (const one of links.values()) {
    const { source, target } = endsOf(one.object);
    one.source = keys.get(source) ?? source;
    one.target = keys.get(target) ?? target;
    one.both = Boolean(one.object.bidirectional_relationship);
  }
  return { items, links: [...links.values()], keys, answers: labels.flatMap(({ label }) => label.annotations?.classifications ?? []) };
}

/** Classes in the order of their names in `order`, each {name, colour, count}; what stands nowhere comes last. */
export function classesOf(items, order) {
  const met = new Map();
  for (const { name, colour } of items) {
    const known = met.get(name) ?? { name, colour, count: 0 };
    known.count += 1;
    met.set(name, known);
  }
  const place = new Map(order.map((name, at) => [name, at]));
  const rank = ({ name }) => place.get(name) ?? order.length;
  return [...met.values()].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}
