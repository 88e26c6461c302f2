// Import by dropping or choosing files: sent as they are (several as one archive), then imported by a task like that of
// the command line; and the page of such a task, which follows it.

import { ask, csrf, localTimes, piece, tell } from "./base.js";
import { zipped } from "./zipping.js";

const LINES = /\.(json|jsonl|ndjson)(\.(gz|zst))?$/i;
const SHOWN = 6;
const WAIT = 700;

// What was dropped

async function* filesOf(entry, path = "") {
  if (entry.isFile) {
    yield { path: path + entry.name, file: await new Promise((found, failed) => entry.file(found, failed)) };
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((found, failed) => reader.readEntries(found, failed));
    if (!some.length) return;
    for (const one of some) yield* filesOf(one, `${path}${entry.name}/`);
  }
}

async function dropped(transfer) {
  // Both are to be taken before anything is waited for: the browser forgets them then.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files].map((file) => ({ path: file.name, file }));
  if (!entries.length) return plain;
  const found = [];
  for (const entry of entries) for await (const one of filesOf(entry)) found.push(one);
  return found;
}

/** One folder's files by their paths in it; hidden files stay where they are. */
function tidy(found) {
  const files = found.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX"));
  const tops = new Set(files.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [top] = tops;
  if (tops.size !== 1 || !top) return { name: "", files };
  return { name: top, files: files.map(({ path, file }) => ({ path: path.slice(top.length + 1), file })) };
}

const size = (bytes) => {
  let unit = 0;
  for (; bytes >= 1000 && unit < 4; unit++) bytes /= 1000;
  return `${unit ? bytes.toFixed(1) : bytes} ${["bytes", "kB", "MB", "GB", "TB"][unit]}`;
};

// Sending

function send(blob, name, moved, signal) {
  return new Promise((sent, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/files?name=${encodeURIComponent(name.slice(-1000))}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-CSRF-Token", csrf);
    request.upload.addEventListener("progress", ({ loaded, total }) => moved(total ? loaded / total : 1));
    request.addEventListener("load", () => {
      let body = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // What stands between here and the server may answer in its own words.
      }
      if (request.status === 201 && body) sent(body);
      else failed(new Error(body?.error?.message ?? `the server answered ${request.status}`));
    });
    request.addEventListener("error", () => failed(new Error("the connection broke off; try again")));
    request.addEventListener("abort", () => failed(new DOMException("called off", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(blob);
  });
}

class Dialog {
  constructor(dialog) {
    this.dialog = dialog;
    this.form = dialog.querySelector("form");
    this.part = (selector) => dialog.querySelector(selector);
    this.chosen = { name: "", files: [] };
    this.stop = null;
    for (const input of dialog.querySelectorAll('input[type="file"]')) {
      input.addEventListener("change", () => {
        this.take([...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
        input.value = "";
      });
    }
    this.part("[data-start]").addEventListener("click", () => this.start());
    this.part("[data-stop]").addEventListener("click", () => this.stop?.abort());
    dialog.addEventListener("close", () => this.stop?.abort());
    dialog.addEventListener("cancel", () => this.stop?.abort());
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.type === "file" || event.target.tagName === "BUTTON") return;
      event.preventDefault();
      if (!this.part("[data-start]").disabled) this.start();
    });
  }

  open() {
    if (!this.dialog.open) this.dialog.showModal();
  }

  take(found) {
    this.open();
    this.chosen = tidy(found);
    const { files } = this.chosen;
    const list = this.part(".files");
    list.replaceChildren(
      ...files.slice(0, SHOWN).map(({ path, file }) => {
        const line = document.createElement("li");
        const name = document.createElement("bdi");
        name.textContent = path.length > 120 ? `…${path.slice(-120)}` : path;
        line.append(name, ` ${size(file.size)}`);
        return line;
      }),
    );
    if (files.length > SHOWN) {
      const more = document.createElement("li");
      const total = files.reduce((sum, { file }) => sum + file.size, 0);
      more.textContent = `and ${(files.length - SHOWN).toLocaleString("en")} more, ${size(total)} in all`;
      list.append(more);
    }
    list.hidden = !files.length;
    this.part("[data-start]").disabled = !files.length;
    this.say("");
  }

  say(text) {
    const place = this.part(".note");
    place.textContent = text;
    place.hidden = !text;
  }

  busy(text, share) {
    const place = this.part(".sending");
    place.hidden = !text;
    place.querySelector("progress").value = share ?? 0;
    place.querySelector(".said").textContent = text;
    this.part("[data-stop]").hidden = !text;
    this.part("[data-start]").disabled = Boolean(text) || !this.chosen.files.length;
  }

  async start() {
    this.say("");
    this.stop = new AbortController();
    try {
      const sources = await this.sources(this.stop.signal);
      const given = Object.fromEntries([...new FormData(this.form)].filter(([, value]) => typeof value === "string" && value.trim()));
      const json = { source: sources[0], more: sources.slice(1), on_problem: given.on_problem, dry_run: given.dry_run === "on" };
      if (given.format) json.format = given.format;
      const project = this.dialog.dataset.project ?? given.project?.trim();
      if (project) json.project = project;
      else json.unnamed = this.called();
      this.busy("Starting", 1);
      const task = await ask("/api/v1/imports", { method: "POST", json });
      location.assign(`/imports/${encodeURIComponent(task.id)}`);
    } catch (error) {
      this.busy("");
      if (error.name !== "AbortError") this.say(error.message);
    } finally {
      this.stop = null;
    }
  }

  /** What the project is called where neither the form nor the file says so: as the folder or the file. */
  called() {
    const { name, files } = this.chosen;
    const own = name || files[0].path.split("/").pop();
    return own.replace(/(\.(json|jsonl|ndjson|zip|gz|zst|csv|xml|parquet))+$/i, "") || own;
  }

  /** The ids of what was sent. */
  async sources(signal) {
    const { name, files } = this.chosen;
    const separate = files.length === 1 || files.every(({ path }) => LINES.test(path) && !path.includes("/"));
    if (separate) {
      const sent = [];
      for (const [at, { path, file }] of files.entries()) {
        const which = files.length > 1 ? ` ${at + 1} of ${files.length}` : "";
        const { id } = await send(file, path, (share) => this.busy(`Sending file${which}, ${size(share * file.size)} of ${size(file.size)}`, share), signal);
        sent.push(id);
      }
      return sent;
    }
    const archive = await zipped(files, (share) => this.busy(`Reading ${files.length.toLocaleString("en")} files`, share), signal);
    const { id } = await send(archive, `${name || "files"}.zip`, (share) => this.busy(`Sending, ${size(share * archive.size)} of ${size(archive.size)}`, share), signal);
    return [id];
  }
}

// Dropping anywhere

function watchDrops(dialog, curtain) {
  let depth = 0;
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (on) => {
    curtain.hidden = !on || dialog.dialog.open;
    dialog.part(".drop").classList.toggle("over", on);
  };
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth++;
    show(true);
  });
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth = Math.max(0, depth - 1);
    if (!depth) show(false);
  });
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    dialog.take(await dropped(event.dataTransfer));
  });
}

// The page of a task

function follow(state) {
  const task = `/api/v1/tasks/${encodeURIComponent(state.dataset.task)}`;
  const again = async (button) => {
    button.disabled = true;
    try {
      const { load } = await ask(`${task}/job`);
      const made = await ask("/api/v1/imports", { method: "POST", json: { ...load, ...JSON.parse(button.dataset.again) } });
      location.assign(`/imports/${encodeURIComponent(made.id)}`);
    } catch (error) {
      button.disabled = false;
      tell(error.message, "bad");
    }
  };
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-again], [data-cancel]");
    if (!button) return;
    if (button.dataset.again) return again(button);
    button.disabled = true;
    await ask(`${task}/cancellation`, { method: "POST", json: {} }).catch((error) => tell(error.message, "bad"));
  });
  const look = async () => {
    const present = document.getElementById("import-state");
    if (!("running" in present.dataset)) return;
    try {
      const text = await piece(`${location.pathname}?part=state`);
      const made = document.createRange().createContextualFragment(text);
      localTimes(made);
      present.replaceWith(made);
    } catch {
      // The server may be starting again; the task goes on where it was.
    }
    setTimeout(look, WAIT);
  };
  setTimeout(look, WAIT);
}

const place = document.getElementById("import");
if (place) {
  const dialog = new Dialog(place);
  watchDrops(dialog, document.querySelector(".curtain"));
  for (const button of document.querySelectorAll('[data-opens="import"]')) button.addEventListener("click", () => dialog.open());
}
const state = document.getElementById("import-state");
if (state) follow(state);
