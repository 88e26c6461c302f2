// Names that somebody gave: inert, in their own direction, cut where they are endless.

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}]/gu;

/** What is put around an escape so that it is read from left to right in any text. */
const LTR = "\u2066", END = "\u2069";

/** Text on one line; characters that show nothing or turn the line around are shown as what they are. */
export function plain(text, limit = 300) {
  const cut = [...String(text).slice(0, 2 * limit)].slice(0, limit).join("");
  const said = cut.replace(HIDDEN, (one) =>
    one === "\u200c" || one === "\u200d" ? one : `${LTR}\\u${one.codePointAt(0).toString(16).padStart(4, "0")}${END}`);
  return cut.length < String(text).length ? `${said}…` : said;
}

/** An element for a name, with all of it in the tip where it is cut. */
export function named(text, limit = 300) {
  const made = document.createElement("bdi");
  made.className = "name";
  made.textContent = plain(text, limit);
  if (text.length > limit) made.title = `${plain(text, 1200)} (${text.length.toLocaleString("en")} characters)`;
  return made;
}

/** An element with properties (`data` and `aria` are objects) and children; null children are left out. */
export function el(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((one) => one !== null && one !== undefined));
  return made;
}
