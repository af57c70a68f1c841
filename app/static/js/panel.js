// The side panel: filled by hx-get into #panel with hx-push-url; closing goes back to the list without reloading it.
const panel = document.getElementById("panel");
let list = panel?.childElementCount ? null : location.href;
let opener = null;

function mark(row) {
  document.querySelectorAll(".is-open").forEach((each) => each.classList.remove("is-open"));
  row?.classList.add("is-open");
}

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (ctx.target !== panel || panel.contains(ctx.sourceElement)) return;
  if (!panel.childElementCount) list = location.href;
  opener = ctx.sourceElement;
  mark(opener.closest("[data-row]"));
});

function close() {
  panel.replaceChildren();
  mark(null);
  if (list) history.pushState({ htmx: true }, "", list);
  (opener?.isConnected ? opener : document.getElementById("content"))?.focus();
}

panel?.addEventListener("click", (event) => {
  if (!event.target.closest("[data-close-panel]") || !list) return;
  event.preventDefault();
  close();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || !panel?.childElementCount) return;
  if (document.querySelector("dialog[open]") || event.target.matches("input, textarea, select")) return;
  if (list) close();
  else panel.querySelector("[data-close-panel]")?.click();
});
document.addEventListener("close-panel", close);
