// Answers save themselves: the fields of a [data-autosave="where"], or of a form[data-autosave], are posted on change and
// in a pause of typing; its [data-saved] says so. What could not be sent stays in the field and, by contact and item, in
// this browser: it goes when the line is back or the same contact has signed in again, and is forgotten at sign-out and
// after seven days.
const PAUSE = 800;
const KEPT_FOR = 7 * 86400e3;
const contact = document.querySelector("meta[name=contact]")?.content ?? "";
const KEY = "unsent ";
const unsent = new Set();
const states = new WeakMap();
let leaving = false;

const places = () => document.querySelectorAll("[data-autosave]");
const fields = (place) => [...place.querySelectorAll("input:not([type=hidden], [type=file]), textarea, select")];
const isTick = (field) => field.matches("[type=radio], [type=checkbox]");
const plain = (name) => name.replace(/-[0-9a-f]{8}-[0-9a-f-]{27}$/, "");
const drawn = (field) => Object.assign(field.cloneNode(), { value: field.defaultValue }).value; // as the browser tidies it
const DEFAULTS = { saving: "Saving…", unsent: "Not saved yet; we will try again as soon as you are online.", out: "You have been signed out." };
const words = (place) => ({ ...DEFAULTS, ...JSON.parse(place.dataset.words || "{}") });
const urlOf = (place) => place.dataset.autosave || place.action;
const keyOf = (url) => `${KEY}${contact} ${url}`;

function pairs(place, asDrawn = false) {
  return fields(place).flatMap((field) => {
    if (isTick(field)) return (asDrawn ? field.defaultChecked : field.checked) ? [[plain(field.name), field.value]] : [];
    return [[plain(field.name), asDrawn ? drawn(field) : field.value]];
  });
}

const said = (list) => JSON.stringify(list);

function stateOf(place) {
  if (!states.has(place)) states.set(place, { wait: 1000, saved: said(pairs(place, true)) });
  return states.get(place);
}

function say(place, text, meaning = "", more = []) {
  const slot = place.querySelector("[data-saved]");
  slot.className = `saved ${meaning}`;
  slot.replaceChildren(text, ...more);
}

function link(text) {
  const made = Object.assign(document.createElement("a"), { href: "/portal/sign-in", target: "_blank", textContent: text });
  return [" ", made];
}

function keep(place) {
  if (!contact) return;
  const entry = { at: Date.now(), base: place.dataset.savedAt ?? "", pairs: pairs(place) };
  try { localStorage.setItem(keyOf(urlOf(place)), JSON.stringify(entry)); } catch { /* full or forbidden: the page still has it */ }
}

const forget = (url) => localStorage.removeItem(keyOf(url));

function post(url, list, base) {
  const body = new FormData();
  body.append("csrf_token", document.querySelector("input[name=csrf_token]")?.value ?? "");
  list.forEach(([name, value]) => body.append(name, value));
  const headers = { "HX-Request": "true", "X-Autosave": "1" };
  if (base !== undefined) headers["X-Saved-At"] = base;
  return fetch(url, { method: "POST", body, headers }).catch(() => null);
}

async function renewed() {
  const detail = {};
  document.dispatchEvent(new CustomEvent("renew", { detail }));
  return (await detail.answer) ?? "same";
}

function save(place) {
  const mine = stateOf(place);
  clearTimeout(mine.timer);
  if (mine.running) { mine.again = true; return mine.running; }
  const list = pairs(place);
  if (said(list) === mine.saved && !mine.refused) { unsent.delete(place); forget(urlOf(place)); return Promise.resolve(); }
  unsent.add(place);
  keep(place);
  say(place, words(place).saving);
  mine.running = send(place, mine, list).finally(() => {
    mine.running = null;
    if (mine.again) { mine.again = false; save(place); }
  });
  return mine.running;
}

async function send(place, mine, list) {
  let answer = await post(urlOf(place), list);
  if (answer && [400, 401, 403].includes(answer.status)) {
    const door = await renewed();
    if (door === "out" || door === "other") return say(place, words(place)[door], "late", door === "out" ? link(words(place).signin) : []);
    answer = door === "same" ? await post(urlOf(place), list) : null;
  }
  if (!answer || answer.status >= 500 || answer.status === 429) return retry(place, mine);
  const text = await answer.text();
  mine.wait = 1000;
  unsent.delete(place);
  mine.refused = !answer.ok;
  fields(place).forEach((field) => field.setAttribute("aria-invalid", mine.refused));
  say(place, text, mine.refused ? "late" : "done");
  if (mine.refused) return undefined;
  mine.saved = said(list);
  const item = [...(place.closest("article") ?? place.parentElement).querySelectorAll("[data-autosave]")];
  item.forEach((one) => { one.dataset.savedAt = answer.headers.get("X-Saved-At") ?? ""; });
  if (list.some(([name, value]) => name === "value" && value)) applies(item);
  if (said(pairs(place)) === mine.saved) forget(urlOf(place));
  place.dispatchEvent(new CustomEvent("saved", { bubbles: true }));
  return undefined;
}

// An answer or a file takes "this does not apply" away; so does the page.
function applies(item) {
  item.filter((place) => place.querySelector("[name^=because]")).forEach((place) => {
    place.querySelector("[name^=because]").value = "";
    stateOf(place).saved = said(pairs(place));
  });
}

function retry(place, mine) {
  say(place, words(place).unsent, "risk");
  mine.wait = Math.min(mine.wait * 2, 30000);
  mine.timer = setTimeout(save, mine.wait, place);
}

// What was kept here before: back into its field and on its way, unless something newer was saved elsewhere.
function restore(place, entry) {
  const values = entry.pairs.map(([, value]) => value);
  const put = () => {
    fields(place).forEach((field) => {
      if (isTick(field)) field.checked = values.includes(field.value);
      else [field.value] = values;
    });
    place.closest("details")?.setAttribute("open", "");
    save(place);
  };
  if (said(entry.pairs) === said(pairs(place))) return forget(urlOf(place));
  if (entry.base === (place.dataset.savedAt ?? "")) return put();
  const use = Object.assign(document.createElement("button"), { type: "button", className: "button button-s", textContent: words(place).use });
  use.addEventListener("click", put);
  return say(place, `${words(place).newer} “${values.join(", ")}” `, "risk", [use]);
}

async function resume() {
  if (!contact) return;
  for (const key of Object.keys(localStorage).filter((name) => name.startsWith(KEY))) {
    const entry = JSON.parse(localStorage.getItem(key) ?? "{}");
    const url = key.split(" ")[2];
    if (!(entry.at > Date.now() - KEPT_FOR)) localStorage.removeItem(key);
    else if (key === keyOf(url)) {
      const place = [...places()].find((one) => urlOf(one) === url);
      if (place) restore(place, entry);
      else if ((await post(url, entry.pairs, entry.base))?.ok) forget(url);
    }
  }
}

const owner = (event) => (event.target.matches?.("[type=file], [type=hidden]") ? null : event.target.closest?.("[data-autosave]"));

document.addEventListener("input", (event) => {
  const place = owner(event);
  if (!place) return;
  const mine = stateOf(place);
  unsent.add(place);
  keep(place);
  clearTimeout(mine.timer);
  mine.timer = setTimeout(save, PAUSE, place);
});
// A press that leaves a field: what is said under it may move the page, so it waits until the button has had its click.
let pressed = false;
let handing = false; // "Send" carries everything typed by itself
addEventListener("pointerdown", () => { pressed = true; }, true);
for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, () => { pressed = false; }, true);
document.addEventListener("change", (event) => {
  const place = owner(event);
  if (!place) return;
  clearTimeout(stateOf(place).timer);
  const now = () => { if (!handing) save(place); };
  if (pressed) addEventListener("pointerup", () => setTimeout(now), { once: true });
  else now();
});
// Enter in a line saves it; only a button sends the whole page.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches?.("[data-autosave] input")) return;
  event.preventDefault();
  save(owner(event));
});
document.addEventListener("uploaded", (event) => applies([...(event.target.closest("article")?.querySelectorAll("[data-autosave]") ?? [])]));
const again = () => unsent.forEach(save);
document.addEventListener("renewed", again);
addEventListener("online", again);
document.addEventListener("not-sent", () => { handing = false; again(); });
document.addEventListener("settling", (event) => { handing = true; places().forEach((place) => { clearTimeout(stateOf(place).timer); if (stateOf(place).running) event.detail.waits.push(stateOf(place).running); }); });
document.addEventListener("sent", () => { leaving = true; places().forEach((place) => forget(urlOf(place))); });
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-autosave]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  save(event.target);
}, true);
document.addEventListener("submit", (event) => {
  if (!/\/(sign-out|devices\/end)$/.test(event.target.action)) return;
  leaving = true;
  Object.keys(localStorage).filter((key) => key.startsWith(`${KEY}${contact} `)).forEach((key) => localStorage.removeItem(key));
});
addEventListener("beforeunload", (event) => { if (unsent.size && !leaving) event.preventDefault(); });
// On a slow line people answer before this script is there. The fields have autocomplete off: browsers put nothing back.
places().forEach((place) => { if (said(pairs(place)) !== stateOf(place).saved) save(place); });
resume();
