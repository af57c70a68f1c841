// Answers save themselves: form[data-autosave] posts on change and in a pause of typing; its [data-saved] says so.
// What could not be sent stays in the field and in memory, and goes again when the line is back.
const PAUSE = 800;
const unsent = new Set();
const state = new WeakMap();

const slot = (form) => form.querySelector("[data-saved]");

function say(form, text, meaning = "") {
  const place = slot(form);
  if (!place) return;
  place.className = `saved ${meaning}`;
  place.replaceChildren(...[text].flat());
}

async function save(form) {
  const mine = state.get(form) ?? { wait: 1000 };
  state.set(form, mine);
  clearTimeout(mine.timer);
  if (mine.running) { mine.again = true; return; }
  mine.running = true;
  unsent.add(form);
  say(form, form.dataset.saving ?? "Saving…");
  const body = new FormData(form);
  const answer = await fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true", "X-Autosave": "1" } }).catch(() => null);
  mine.running = false;
  if (!answer || answer.status >= 500 || answer.status === 429) retry(form, mine);
  else await settled(form, mine, answer);
  if (mine.again) { mine.again = false; save(form); }
}

function retry(form, mine) {
  say(form, form.dataset.unsent ?? "Not saved yet; we will try again as soon as you are online.", "risk");
  mine.wait = Math.min(mine.wait * 2, 30000);
  mine.timer = setTimeout(save, mine.wait, form);
}

async function settled(form, mine, answer) {
  const text = await answer.text();
  mine.wait = 1000;
  unsent.delete(form);
  const version = answer.headers.get("X-Version");
  if (version && form.elements.version) form.elements.version.value = version;
  const nodes = new DOMParser().parseFromString(text, "text/html").body;
  const refused = !answer.ok;
  say(form, text ? [...nodes.childNodes] : "", refused ? "late" : "done");
  form.querySelectorAll("input, textarea, select").forEach((field) => field.setAttribute("aria-invalid", refused));
  if (!refused) form.dispatchEvent(new CustomEvent("saved", { bubbles: true }));
}

const owner = (event) => event.target.closest?.("form[data-autosave]");

document.addEventListener("input", (event) => {
  const form = owner(event);
  if (!form || event.target.matches("[type=file]")) return;
  const mine = state.get(form) ?? { wait: 1000 };
  state.set(form, mine);
  unsent.add(form);
  clearTimeout(mine.timer);
  mine.timer = setTimeout(save, PAUSE, form);
});
document.addEventListener("change", (event) => { if (owner(event) && !event.target.matches("[type=file]")) save(owner(event)); });
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-autosave]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  save(event.target);
}, true);
// On a slow line people answer before this script is there. The forms have autocomplete off: browsers put nothing back by themselves.
const drawn = (field) => Object.assign(field.cloneNode(), { value: field.defaultValue }).value; // as the browser tidies it
const touched = (field) => (field.matches("[type=radio], [type=checkbox]") ? field.checked !== field.defaultChecked : field.value !== drawn(field));
document.querySelectorAll("form[data-autosave]").forEach((form) => {
  if ([...form.querySelectorAll("input:not([type=hidden]), textarea")].some(touched)) save(form);
});
addEventListener("online", () => unsent.forEach(save));
addEventListener("beforeunload", (event) => { if (unsent.size) event.preventDefault(); });
