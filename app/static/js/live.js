// What others change shows here: one stream per browser, shared among its tabs; messages carry topics, never content.
// <div data-live="job:1 board" hx-get="/…" hx-trigger="live"> is fetched again when one of its topics is told.
// The tab that holds the stream asks for the topics of all tabs; a topic that comes later opens a wider stream first.
const address = document.querySelector("meta[name=live-url]")?.content;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("live") : null;
const loaded = performance.now();
const stale = new Set();
const wanted = new Set();
let timer = 0;
let stream = null;
let leads = false;
let broken = false;
let pressed = null;

// What is typed in, or pressed and not let go yet: a button drawn anew meanwhile would lose its click.
function busy(element) {
  const typing = document.activeElement;
  if (pressed && element.contains(pressed)) return true;
  return element.contains(typing) && typing.matches("input:not([type=checkbox], [type=radio]), textarea, select");
}

function refresh() {
  timer = 0;
  if (document.hidden) return;
  for (const element of [...stale]) {
    // While it is being fetched, what was told may be newer than the answer: once more after it.
    if (element.isConnected && (busy(element) || element.classList.contains("htmx-request"))) continue;
    stale.delete(element);
    const now = element.isConnected ? element : element.id && document.getElementById(element.id);
    if (now) now.dispatchEvent(new CustomEvent("live"));
  }
}

function soon() {
  if (stale.size && !timer) timer = setTimeout(refresh, 30 + Math.random() * 170);
}

const topicsOf = (element) => element.dataset.live.split(/\s+/).filter(Boolean);

function told(topics) {
  for (const element of document.querySelectorAll("[data-live]")) {
    if (topics === "all" || topicsOf(element).some((topic) => topics.includes(topic))) stale.add(element);
  }
  soon();
}

function pass(topics) {
  told(topics);
  channel?.postMessage({ told: topics });
}

function connect() {
  const query = wanted.size ? `?topics=${encodeURIComponent([...wanted].join(" "))}` : "?topics=none";
  const before = stream;
  const next = new EventSource(query.length < 7000 ? address + query : address, { withCredentials: true });
  stream = next;
  next.addEventListener("message", (event) => pass(JSON.parse(event.data)));
  next.addEventListener("error", () => {
    if (next !== stream) return;
    broken = true;
    // Turned away, for there was no room or nobody is signed in: a browser does not try that again by itself.
    if (next.readyState === EventSource.CLOSED) setTimeout(() => { if (next === stream) connect(); }, 60000);
  });
  next.addEventListener("open", () => {
    before?.close();
    if (broken) pass("all");
    broken = false;
  });
}

function want(topics) {
  const before = wanted.size;
  topics.forEach((topic) => wanted.add(topic));
  if (wanted.size === before) return;
  if (leads) connect();
}

function look() {
  const topics = [...document.querySelectorAll("[data-live]")].flatMap(topicsOf);
  if (!leads && topics.some((topic) => !wanted.has(topic))) channel?.postMessage({ want: topics });
  want(topics);
}

function lead() {
  leads = true;
  connect();
  channel?.postMessage({ who: true });
  if (performance.now() - loaded > 2000) pass("all");
  return new Promise(() => {});
}

if (address) {
  channel?.addEventListener("message", ({ data }) => {
    if (data.told) told(data.told);
    if (data.want && leads) want(data.want);
    if (data.who) channel.postMessage({ want: [...document.querySelectorAll("[data-live]")].flatMap(topicsOf) });
  });
  look();
  if (navigator.locks && channel) navigator.locks.request("live", lead);
  else lead();
  addEventListener("pointerdown", (event) => { pressed = event.button === 0 ? event.target : null; }, true);
  const release = () => setTimeout(() => { pressed = null; soon(); }); // the click comes first
  for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, release, true);
  document.addEventListener("htmx:before:swap", (event) => {
    const { sourceElement, sourceEvent } = event.detail.ctx;
    if (sourceEvent?.type !== "live" || !busy(sourceElement)) return;
    event.preventDefault();
    stale.add(sourceElement);
  });
  let looking = 0;
  document.addEventListener("htmx:after:swap", () => {
    clearTimeout(looking);
    looking = setTimeout(look, 50);
    soon();
  });
  addEventListener("pagehide", () => stream?.close(), { once: true });
  document.addEventListener("visibilitychange", soon);
  document.addEventListener("focusout", () => setTimeout(soon));
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}
