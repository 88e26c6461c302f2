// Answers as an indented tree: a question, what was chosen, and the questions that hang under it.

import { el, named } from "./names.js";

const SHORT = 120;
const LONG = 240;

/** The tree of some classifications; null where there are none. */
export function tree(classifications) {
  if (!classifications?.length) return null;
  return el("ul", { className: "tree" }, ...classifications.map(question));
}

function question(one) {
  const branch = el("li", { data: { question: one.name ?? "" } },
    el("span", { className: "question" }, named(one.name ?? one.value ?? "?", SHORT), ": "));
  const answers = one.radio_answer ? [one.radio_answer] : one.checklist_answers ?? [];
  if (one.text_answer) branch.append(text(one.text_answer.content), sure(one.text_answer) ?? "");
  else if (answers.length === 1) branch.append(...answer(answers[0]));
  else if (answers.length) {
    branch.append(el("ul", { className: "tree" }, ...answers.map((given) => el("li", {}, ...answer(given)))));
  } else branch.append(el("span", { className: "quiet" }, "no answer"));
  const more = tree(one.classifications);
  if (more) branch.append(more);
  return branch;
}

function answer(given) {
  return [
    el("span", { className: "answer" }, named(given.name ?? given.value ?? "?", SHORT)), sure(given), tree(given.classifications),
  ].filter(Boolean);
}

/** How sure a prediction is; null where it does not say. */
export function sure({ confidence }) {
  if (confidence === undefined || confidence === null) return null;
  return el("span", { className: "sure", title: `confidence ${confidence}` }, ` ${Math.round(100 * confidence)}%`);
}

/** Free text: whole where it is short, to be opened where it is long. */
function text(content) {
  if (content.length <= LONG) return el("bdi", { className: "answer text" }, content);
  const size = `${content.length.toLocaleString("en")} characters`;
  return el("details", { className: "long" },
    el("summary", {}, named(content, LONG), " ", el("span", { className: "quiet" }, size)),
    el("bdi", { className: "answer text whole", tabIndex: 0 }, content));
}
