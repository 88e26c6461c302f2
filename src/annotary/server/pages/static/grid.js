// The grid: the size of its pictures, moving by arrow keys, coming back to the same place.

const grid = document.getElementById("grid");
const size = document.getElementById("size");
const tiles = grid ? [...grid.querySelectorAll(".tile")] : [];
const HERE = `annotary grid ${location.pathname}${location.search}`;

/* Size */

function setSize(value) {
  grid?.style.setProperty("--tile", `${value}px`);
}

const kept = Number(localStorage.getItem("annotary tile"));
if (kept >= 120 && kept <= 480) size.value = kept;
setSize(size.value);
size.closest("label").hidden = !grid;
size.addEventListener("input", () => {
  setSize(size.value);
  localStorage.setItem("annotary tile", size.value);
});

/* Keys */

function columns() {
  const top = tiles[0].getBoundingClientRect().top;
  const below = tiles.findIndex((tile) => tile.getBoundingClientRect().top > top + 1);
  return below < 0 ? tiles.length : below;
}

const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -columns(), ArrowDown: columns };

document.addEventListener("keydown", (event) => {
  if (!tiles.length || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const at = tiles.indexOf(document.activeElement.closest(".tile"));
  if (event.key === "Home" || event.key === "End") {
    if (at < 0) return;
    event.preventDefault();
    tiles[event.key === "Home" ? 0 : tiles.length - 1].focus();
    return;
  }
  const step = STEPS[event.key];
  if (!step) return;
  if (at < 0 && document.activeElement !== document.body && !document.activeElement.matches("main")) return;
  event.preventDefault();
  const to = at < 0 ? 0 : at + step();
  if (to >= 0 && to < tiles.length) tiles[to].focus();
  else if (event.key === "ArrowRight") document.querySelector('[rel="next"]')?.focus();
  else if (event.key === "ArrowLeft") document.querySelector('[rel="prev"]')?.focus();
});

/* Coming back */

grid?.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (tile) sessionStorage.setItem(HERE, tile.dataset.row);
});

function comeBack() {
  const id = sessionStorage.getItem(HERE);
  sessionStorage.removeItem(HERE);
  const tile = tiles.find((one) => one.dataset.row === id);
  tile?.focus({ preventScroll: false });
}
addEventListener("pageshow", comeBack);

/* What comes later: the count in the button, finding among many choices */

function sayCount() {
  const matching = document.getElementById("matching");
  if (matching?.dataset.rows === undefined) return;
  const rows = Number(matching.dataset.rows);
  const text = document.querySelector("#export span");
  const said = `Export ${rows.toLocaleString("en-US")} ${rows === 1 ? "row" : "rows"}`;
  if (text.textContent !== said) text.textContent = said;
}
new MutationObserver(sayCount).observe(document.querySelector(".bar-top"), { childList: true, subtree: true });
sayCount();

document.addEventListener("input", (event) => {
  if (!event.target.matches(".among")) return;
  const wanted = event.target.value.toLowerCase();
  for (const one of event.target.parentElement.querySelectorAll(".choices-list li")) {
    one.hidden = !one.textContent.toLowerCase().includes(wanted);
  }
});

// Dates take hold when they are chosen, lists when their field is left.
const form = document.getElementById("filter-form");
form?.addEventListener("change", () => form.requestSubmit());

// On a narrow window the filter is folded away until it is asked for.
if (matchMedia("(max-width: 900px)").matches) document.getElementById("filters").open = false;
