// What others change shows here: one stream per browser, shared among its tabs; messages carry topics, never content.
// <div data-live="job:1 board" hx-get="/…" hx-trigger="live"> is fetched again when one of its topics is told.
const address = document.querySelector("meta[name=live-url]")?.content;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("live") : null;
const stale = new Set();
let timer = 0;

function busy(element) {
  const typing = document.activeElement;
  return element.contains(typing) && typing.matches("input:not([type=checkbox], [type=radio]), textarea, select");
}

function refresh() {
  timer = 0;
  if (document.hidden) return;
  for (const element of stale) {
    if (element.isConnected && busy(element)) continue;
    stale.delete(element);
    if (element.isConnected) element.dispatchEvent(new CustomEvent("live"));
  }
}

function soon() {
  if (stale.size && !timer) timer = setTimeout(refresh, 30 + Math.random() * 170);
}

function told(topics) {
  for (const element of document.querySelectorAll("[data-live]")) {
    const wanted = element.dataset.live.split(/\s+/);
    if (topics === "all" || wanted.some((topic) => topics.includes(topic))) stale.add(element);
  }
  soon();
}

function listen() {
  const stream = new EventSource(address, { withCredentials: true });
  let broken = false;
  const pass = (topics) => { told(topics); channel?.postMessage(topics); };
  stream.addEventListener("message", (event) => pass(JSON.parse(event.data)));
  stream.addEventListener("error", () => { broken = true; });
  stream.addEventListener("open", () => { if (broken) pass("all"); broken = false; });
  addEventListener("pagehide", () => stream.close(), { once: true });
  return new Promise(() => {});
}

if (address) {
  channel?.addEventListener("message", (event) => told(event.data));
  if (navigator.locks && channel) navigator.locks.request("live", listen);
  else listen();
  document.addEventListener("visibilitychange", soon);
  document.addEventListener("focusout", () => setTimeout(soon));
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}
