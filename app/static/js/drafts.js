// What is half typed in a note or a comment is kept as typed, by person and subject, in this browser: it is there again
// after the page was closed, until it is saved or given up, the person signs out, or seven days have passed.
const person = document.querySelector("meta[name=person]")?.content ?? "";
const KEEP = 7 * 86400e3;
const prefix = `draft ${person} `;
const SUBJECT = /[0-9a-f]{8}-[0-9a-f-]{27}/;

// A subject is what the form's address names, or the page on which it is made; acts on a set have none.
function keyOf(field) {
  const form = field.form;
  if (!person || !form || form.method !== "post" || !field.matches("textarea[name]")) return "";
  const action = new URL(form.action).pathname;
  if (SUBJECT.test(action)) return `${prefix}${action} ${field.name}`;
  return location.pathname.endsWith("/new") ? `${prefix}${location.pathname} ${field.name}` : "";
}

function read(key) {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
}

function write(key, entry) {
  try { localStorage.setItem(key, JSON.stringify(entry)); } catch { /* full or forbidden: the page still has it */ }
}

const fieldsOf = (form) => [...form.elements].filter((field) => keyOf(field));
const forget = (form) => fieldsOf(form).forEach((field) => localStorage.removeItem(keyOf(field)));
const mine = () => Object.keys(localStorage).filter((key) => key.startsWith(prefix));
const plain = (text) => text.replace(/\r\n?/g, "\n");

function tell(field, words, verb, act) {
  const place = field.closest(".field") ?? field.parentElement;
  place.querySelector("[data-draft]")?.remove();
  const line = Object.assign(document.createElement("p"), { className: "help" });
  line.dataset.draft = "";
  line.setAttribute("role", "status");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button button-s button-quiet", textContent: verb });
  button.addEventListener("click", () => { line.remove(); act(); field.focus(); });
  line.append(words, " ", button);
  place.append(line);
}

function put(field, entry) {
  const before = field.value;
  field.value = entry.text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  tell(field, "Kept as you typed it; not saved yet.", "Discard", () => {
    field.value = before;
    localStorage.removeItem(keyOf(field));
  });
}

const seen = new WeakSet();
function restore() {
  for (const field of document.querySelectorAll("form textarea[name]")) {
    const key = !seen.has(field) && keyOf(field);
    const entry = key && read(key);
    if (!key) continue;
    seen.add(field);
    if (!entry || entry.text === plain(field.value)) continue;
    if (plain(field.value) !== plain(field.defaultValue)) continue; // typed before this script was there
    if (entry.base === plain(field.defaultValue)) put(field, entry);
    else tell(field, `This was changed after you had typed “${entry.text.slice(0, 200)}”.`, "Use it", () => put(field, entry));
  }
}

document.addEventListener("input", ({ target }) => {
  const key = target.matches?.("textarea") && keyOf(target);
  if (!key) return;
  const text = plain(target.value);
  const base = plain(target.defaultValue);
  if (text === base) localStorage.removeItem(key);
  else write(key, { at: Date.now(), base, text });
});

// What is sent is gone once it was taken: an answer without an error. Going back after a failure finds it again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (/\/sign-out$/.test(form.action)) return mine().forEach((key) => localStorage.removeItem(key));
  if (event.defaultPrevented || form.matches("[hx-post]")) return undefined;
  for (const field of fieldsOf(form)) {
    const entry = read(keyOf(field));
    if (entry) write(keyOf(field), { ...entry, sent: true });
  }
  return undefined;
});
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const form = ctx.sourceElement.closest?.("form");
  if (form?.method === "post" && ctx.response && ctx.response.status < 400) forget(form);
});
document.addEventListener("htmx:after:swap", restore);

const [arrival] = performance.getEntriesByType("navigation");
const failed = arrival?.type === "back_forward" || (arrival?.responseStatus ?? 200) >= 400;
for (const key of person ? mine() : []) {
  const entry = read(key);
  if (!(entry?.at > Date.now() - KEEP) || (entry.sent && !failed)) localStorage.removeItem(key);
  else if (entry.sent) write(key, { ...entry, sent: false });
}
restore();
