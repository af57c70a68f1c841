// Native dialogs: opened by data-open="#id" or by an answer swapped into #dialog; questions before consequences; menus that close.
const shared = document.getElementById("dialog");
const question = document.getElementById("confirm");

function open(dialog) {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  const fields = ":is(input:not([type=hidden]), select, textarea):not([disabled])";
  (dialog.querySelector("[autofocus], [aria-invalid=true]") ?? dialog.querySelector(`.dialog-body ${fields}`))?.focus();
}

function ask(text, verb) {
  document.getElementById("confirm-text").textContent = text;
  if (verb) question.querySelector("[value=yes]").textContent = verb;
  question.returnValue = "no";
  open(question);
  return new Promise((resolve) => question.addEventListener("close", () => resolve(question.returnValue === "yes"), { once: true }));
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    open(document.querySelector(opener.dataset.open));
  }
  const closer = event.target.closest("[data-close]");
  if (closer?.closest("dialog")) {
    event.preventDefault();
    closer.closest("dialog").close();
  }
  if (event.target instanceof HTMLDialogElement && outside(event)) event.target.close();
  document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
    if (!menu.contains(event.target) || event.target.closest(".menu-list :is(a, button)")) menu.open = false;
  });
});

function outside(event) {
  const box = event.target.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.("details[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
  event.stopPropagation();
});

document.addEventListener("toggle", ({ target }) => {
  const list = target.matches?.("details[data-menu][open]") && target.querySelector(".menu-list");
  if (list && list.getBoundingClientRect().left < 0) target.classList.add("menu-start");
}, true);

// One that was refused comes back open, with what was typed in it.
function openAgain() {
  const dialog = document.querySelector("dialog[data-opened]");
  dialog?.removeAttribute("data-opened");
  open(dialog);
}
openAgain();
document.addEventListener("htmx:after:swap", () => {
  openAgain();
  if (shared?.childElementCount) open(shared);
  document.querySelector("[data-focus]:not([data-focused])")?.focus();
  document.querySelectorAll("[data-focus]").forEach((element) => { element.dataset.focused = ""; });
});
document.querySelector(".error-summary[data-focus]")?.focus();
shared?.addEventListener("close", () => shared.replaceChildren());
document.addEventListener("close-dialog", () => shared?.close());

const sure = new WeakSet();
document.addEventListener("submit", async (event) => {
  const asking = event.submitter?.dataset.confirm ? event.submitter : event.target;
  if (!asking.dataset.confirm || sure.delete(event.target)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!await ask(asking.dataset.confirm, asking.dataset.verb)) return;
  sure.add(event.target);
  event.target.requestSubmit(event.submitter ?? undefined);
}, true);
document.addEventListener("htmx:confirm", (event) => {
  event.preventDefault();
  const { ctx, issueRequest, dropRequest } = event.detail;
  ask(ctx.confirm, ctx.sourceElement.dataset.verb).then((yes) => (yes ? issueRequest() : dropRequest()));
});
