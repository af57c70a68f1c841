// "Send" goes by itself too: form[data-send] waits for what is under way, carries everything that is typed, and when
// there is no line or nobody is signed in it says so and goes later; over a reload too, for the same contact, for a week.
const contact = document.querySelector("meta[name=contact]")?.content ?? "";
const KEPT_FOR = 7 * 86400e3;
const form = document.querySelector("form[data-send]");
let going = false;
let gone = false;
let wait = 1000;
let timer = 0;

const key = () => `send ${contact} ${form.getAttribute("action")}`;
const words = () => JSON.parse(form.dataset.words);

function say(text, meaning = "") {
  const place = document.querySelector("[data-said]");
  place.className = `saved ${meaning}`;
  place.replaceChildren(text);
  if (text === words().out) {
    place.append(" ", Object.assign(document.createElement("a"), { href: "/portal/sign-in", target: "_blank", textContent: words().signin }));
  }
}

function mark(items) {
  Object.entries(items ?? {}).forEach(([id, message], index) => {
    const item = document.getElementById(`item-${id}`);
    const slot = item?.querySelector("[data-saved]");
    if (slot) Object.assign(slot, { className: "saved late", textContent: message });
    if (!index) item?.scrollIntoView({ block: "center" });
  });
}

async function renewed() {
  const detail = {};
  document.dispatchEvent(new CustomEvent("renew", { detail }));
  return (await detail.answer) ?? "same";
}

async function settled() {
  const waits = [];
  document.dispatchEvent(new CustomEvent("settling", { detail: { waits } }));
  if (waits.length) say(words().waiting);
  await Promise.allSettled(waits);
}

const post = () => fetch(form.action, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } }).catch(() => null);

async function attempt() {
  await settled();
  say(words().sending);
  let answer = await post();
  if (answer && [400, 401, 403].includes(answer.status)) {
    const door = await renewed();
    if (door === "out" || door === "other") return say(words()[door], "late");
    answer = door === "same" ? await post() : null;
  }
  if (!answer || answer.status >= 500 || answer.status === 429) return later();
  localStorage.removeItem(key());
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    say(said.message ?? "", "late");
    return mark(said.items);
  }
  gone = true;
  document.dispatchEvent(new CustomEvent("sent"));
  return location.assign(said.location);
}

function later() {
  say(words().line, "risk");
  wait = Math.min(wait * 2, 30000);
  timer = setTimeout(go, wait);
}

// One tab at a time. What another tab has sent meanwhile is not sent again: the page is fetched as it is now.
async function inTurn(pressed) {
  if (pressed || wanted()) return attempt();
  await settled();
  gone = true;
  document.dispatchEvent(new CustomEvent("sent"));
  return location.reload();
}

async function go(pressed = false) {
  clearTimeout(timer);
  if (going) return;
  going = true;
  if (contact && pressed) localStorage.setItem(key(), String(Date.now()));
  const alone = navigator.locks && contact ? navigator.locks.request(key(), () => inTurn(pressed)) : attempt();
  try { await alone; } finally { going = false; }
  if (!gone) document.dispatchEvent(new CustomEvent("not-sent"));
}

const wanted = () => Number(localStorage.getItem(key())) > Date.now() - KEPT_FOR;

if (form) {
  document.addEventListener("submit", (event) => {
    if (event.target !== form || event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    wait = 1000;
    go(true);
  }, true);
  const again = () => { if (contact && wanted()) go(); };
  document.addEventListener("renewed", again);
  addEventListener("online", again);
  again();
}
document.addEventListener("submit", (event) => {
  if (!/\/(sign-out|devices\/end)$/.test(event.target.action)) return;
  Object.keys(localStorage).filter((name) => name.startsWith(`send ${contact} `)).forEach((name) => localStorage.removeItem(name));
});
