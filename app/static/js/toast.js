// Messages: from the server (HX-Trigger: {"toast": {"text", "meaning"}}), from failed requests, from a lost line.
const region = document.getElementById("toasts");
// A page may put them in its own words and language: <html data-sentences>.
const sentences = {
  403: "Your role does not allow this.",
  404: "That is no longer there. Reload the page to see what is.",
  409: "Somebody changed this meanwhile. Reload to see their version.",
  413: "That is too large to send.",
  429: "Too many tries. Wait a moment, then try again.",
  failed: "That did not work; nothing was changed. Try again.",
  silent: "The server did not answer. Try again.",
  unsent: "You are offline; nothing was sent.",
  offline: "You are offline. What you see may be out of date.",
  ...JSON.parse(document.documentElement.dataset.sentences ?? "{}"),
};

function show(text, meaning = "", undo = "") {
  const toast = document.getElementById("toast-template")?.content.firstElementChild.cloneNode(true);
  if (!toast || !region) return;
  toast.className = `toast ${meaning}`;
  toast.querySelector("span").textContent = text;
  if (meaning !== "done") toast.querySelector(".icon")?.remove();
  if (undo) toast.querySelector("[data-dismiss]").before(wayBack(toast, undo));
  region.append(toast);
  if (document.querySelector("dialog[open]")) lift();
  leave(toast);
}

// Over an open dialog: what was shown last lies on top.
function lift() {
  region.popover = "manual";
  region.hidePopover();
  region.showPopover();
}

function wayBack(toast, undo) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "undo", textContent: document.documentElement.dataset.undo ?? "Undo" });
  button.addEventListener("click", () => {
    toast.remove();
    htmx.ajax("POST", undo, { source: document.body, target: document.body, swap: "none" });
  });
  return button;
}

function leave(toast) {
  const words = toast.textContent.trim().split(/\s+/).length;
  const time = Math.max(4000 + words * 300, toast.querySelector(".undo") ? 10000 : 0);
  setTimeout(() => toast.matches(":hover, :focus-within") ? leave(toast) : toast.remove(), time);
}

region?.querySelectorAll("[data-toast]").forEach(leave);
region?.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest("[data-toast]").remove());
document.addEventListener("toast", ({ detail }) => show(detail.text ?? detail.value, detail.meaning, detail.undo));

// A refused form (422) and a stale one (409 with a body for the target) are swapped in; other failures keep the page.
document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const { status, headers } = ctx.response;
  if (status === 422 || headers.get("HX-Retarget")) return;
  ctx.swap = "none";
  if (!headers.get("HX-Trigger")) show(sentences[status] ?? sentences.failed, "late");
});
document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.error) show(navigator.onLine ? sentences.silent : sentences.unsent, "late");
});

const banner = Object.assign(document.createElement("div"), { className: "offline", role: "status", hidden: true });
banner.textContent = sentences.offline;
document.body.prepend(banner);
const notice = () => { banner.hidden = navigator.onLine; };
addEventListener("online", notice);
addEventListener("offline", notice);
notice();
