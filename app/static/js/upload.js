// Files go straight to storage: in parts, several at once, each with its digest; after a lost line or a reload only what
// is missing is sent. [data-upload="where to ask"] holds [data-file-input]s, .drop and the list [data-progress];
// it is told "uploaded" or "refused" for each file, and with [data-reload] the page is fetched again after the last one.
const AT_ONCE = 6;
const MOST_TRIES = 40;
const queue = [];
const open = new Set();
let running = 0;

function whenFree(work) {
  return new Promise((resolve, reject) => {
    queue.push({ work, resolve, reject });
    next();
  });
}

function next() {
  while (running < AT_ONCE && queue.length) {
    const { work, resolve, reject } = queue.shift();
    running += 1;
    work().then(resolve, reject).finally(() => { running -= 1; next(); });
  }
}

const pause = (ms) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  addEventListener("online", () => { clearTimeout(timer); resolve(); }, { once: true });
});

async function renewed() {
  const detail = {};
  document.dispatchEvent(new CustomEvent("renew", { detail }));
  return (await detail.answer) === "same";
}

async function ask(url, body, again = true) {
  const token = document.querySelector("input[name=csrf_token]")?.value ?? "";
  const headers = { Accept: "application/json", "X-CSRFToken": token };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const said = await answer.json().catch(() => ({}));
  if ([400, 401].includes(answer.status) && again && await renewed()) return ask(url, body, false);
  if (!answer.ok) throw Object.assign(new Error(said.message ?? ""), { status: answer.status });
  return said;
}

// A refusal is final; a broken line or a server that is busy is tried again.
async function patiently(work, file) {
  for (let tries = 1; ; tries += 1) {
    try { return await work(); } catch (error) {
      const final = error.status && error.status < 500 && error.status !== 429;
      if (final || tries > MOST_TRIES || file.stopped) throw error;
      file.say(file.words.lost);
      await pause(Math.min(1000 * 2 ** Math.min(tries, 5), 30000));
    }
  }
}

function put(url, bytes, told, file) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("PUT", url);
    call.upload.addEventListener("progress", (event) => told(event.loaded));
    call.addEventListener("load", () => (call.status < 300 ? resolve() : reject(new Error(`storage ${call.status}`))));
    call.addEventListener("error", () => reject(new Error("line")));
    call.addEventListener("abort", () => reject(Object.assign(new Error(""), { status: 499 })));
    file.calls.add(call);
    call.addEventListener("loadend", () => file.calls.delete(call));
    call.send(bytes);
  });
}

async function digest(bytes) {
  if (!crypto.subtle) return "";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

class Sending {
  constructor(place, file) {
    this.place = place;
    this.file = file;
    this.words = JSON.parse(place.dataset.words);
    this.calls = new Set();
    this.sent = new Map();
    this.digests = [];
    this.draw();
  }

  draw() {
    this.row = document.createElement("li");
    this.row.className = "file";
    const name = Object.assign(document.createElement("bdi"), { className: "name", textContent: this.file.name });
    this.bar = Object.assign(document.createElement("progress"), { max: this.file.size || 1, value: 0 });
    this.bar.setAttribute("aria-label", this.file.name);
    this.note = Object.assign(document.createElement("span"), { className: "note-line" });
    this.button = Object.assign(document.createElement("button"), { type: "button", className: "button button-quiet button-s", textContent: this.words.remove });
    this.button.addEventListener("click", () => (this.failed && this.file.size ? this.go() : this.stop()));
    this.row.append(name, this.button, this.bar, this.note);
    this.place.querySelector("[data-progress]").append(this.row);
    this.say(this.words.waiting);
  }

  say(text) { this.note.textContent = text; }

  progress() {
    const done = [...this.sent.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.bar.value = done;
    this.say(`${Math.floor((done / this.file.size) * 100)} %`);
  }

  go() {
    this.ending = this.run();
  }

  async run() {
    this.failed = this.stopped = false;
    this.row.classList.remove("late");
    this.button.textContent = this.words.remove;
    open.add(this);
    try {
      if (!this.file.size) throw new Error(this.words.empty);
      await this.send();
      this.done = true;
      localStorage.removeItem(this.key);
      this.row.remove();
      this.place.dispatchEvent(new CustomEvent("uploaded", { bubbles: true }));
      if (this.place.hasAttribute("data-reload") && open.size === 1) location.reload();
    } catch (error) {
      if (this.stopped) return;
      this.failed = true;
      this.row.classList.add("late");
      this.say(error.message && error.status !== 404 ? error.message : this.words.failed);
      this.button.textContent = this.file.size ? this.words.again : this.words.away ?? this.words.remove; // empty, it stays empty
      this.place.dispatchEvent(new CustomEvent("refused", { bubbles: true }));
    } finally { open.delete(this); }
  }

  async send() {
    this.client = this.place.querySelector("[data-client]")?.value;
    this.key = `upload ${this.place.dataset.upload} ${this.client ?? ""} ${this.file.name} ${this.file.size} ${this.file.lastModified}`;
    const kept = localStorage.getItem(this.key);
    let plan = kept && await this.begin(kept).catch((error) => { if (![404, 409].includes(error.status)) throw error; });
    // Cancelled elsewhere, or another contact's in this browser: it is begun anew.
    if (!plan || plan.state === "cancelled") plan = await this.begin(crypto.randomUUID?.() ?? null);
    localStorage.setItem(this.key, plan.id);
    this.urls = plan.urls;
    if (plan.state !== "uploading") return;
    for (let round = 0; ; round += 1) {
      const lost = await this.sendParts(plan);
      if (!lost) break;
      if (round > MOST_TRIES || this.stopped) throw lost;
      this.say(this.words.lost);
      await pause(Math.min(1000 * 2 ** Math.min(round, 5), 30000));
      plan = await patiently(() => ask(this.urls.plan), this);
    }
    const digests = this.digests.length === plan.parts && this.digests.every(Boolean) ? this.digests : [];
    await patiently(() => ask(this.urls.completion, { digests }), this);
  }

  begin(id) {
    const body = { id, client: this.client, name: this.file.name, size: this.file.size };
    return patiently(() => ask(this.place.dataset.upload, body), this);
  }

  async sendParts(plan) {
    const numbers = Array.from({ length: plan.parts }, (_, index) => index + 1);
    const ends = await Promise.allSettled(numbers.map((number) => whenFree(() => this.sendPart(plan, number))));
    return ends.find((end) => end.status === "rejected")?.reason;
  }

  async sendPart(plan, number) {
    if (this.stopped) throw new Error("");
    const start = (number - 1) * plan.partSize;
    const slice = this.file.slice(start, start + plan.partSize);
    const url = plan.addresses[number];
    if (url || !this.digests[number - 1]) {
      const bytes = await slice.arrayBuffer();
      const hash = this.digests[number - 1] ? null : digest(bytes);
      if (url) await put(url, bytes, (loaded) => { this.sent.set(number, loaded); this.progress(); }, this);
      if (hash) this.digests[number - 1] = await hash;
    }
    this.sent.set(number, slice.size);
    this.progress();
  }

  stop() {
    this.stopped = true;
    this.calls.forEach((call) => call.abort());
    if (this.row.contains(document.activeElement)) this.place.querySelector("[data-file-input]")?.focus();
    this.row.remove();
    localStorage.removeItem(this.key);
    if (this.urls) ask(this.urls.abandonment, {}).catch(() => {});
  }
}

const take = (place, files) => [...files].forEach((file) => new Sending(place, file).go());
const placeOf = (event) => event.target.closest?.("[data-upload]");

function takeChosen(input) {
  take(input.closest("[data-upload]"), input.files);
  input.value = "";
}

// On a slow line files are chosen before this script is there.
document.querySelectorAll("[data-file-input]").forEach(takeChosen);
document.addEventListener("change", (event) => { if (event.target.matches("[data-file-input]")) takeChosen(event.target); });
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const place = placeOf(event);
    if (!place || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    place.querySelector(".drop")?.classList.toggle("is-over", kind === "dragover");
    if (kind === "drop") take(place, event.dataTransfer.files);
  });
}
document.addEventListener("settling", (event) => event.detail.waits.push(...[...open].map((sending) => sending.ending)));
addEventListener("beforeunload", (event) => { if ([...open].some((sending) => !sending.done)) event.preventDefault(); });
