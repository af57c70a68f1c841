// A running clock: <span data-elapsed="2520"> (seconds when rendered) or data-since="ISO instant" reads on as 0:42.
const began = new WeakMap();

function seconds(element) {
  if (!began.has(element)) {
    const elapsed = element.dataset.elapsed ?? (Date.now() - Date.parse(element.dataset.since)) / 1000;
    began.set(element, performance.now() - Number(elapsed) * 1000);
  }
  return Math.max(0, (performance.now() - began.get(element)) / 1000);
}

function tick() {
  for (const element of document.querySelectorAll("[data-since], [data-elapsed]")) {
    const minutes = Math.floor(seconds(element) / 60);
    const text = `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
    if (element.textContent !== text) element.textContent = text;
  }
}

tick();
setInterval(tick, 1000);
document.addEventListener("htmx:after:swap", tick);
