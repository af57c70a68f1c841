// A form goes once: a second press while the first is under way does nothing.
function free(form) {
  delete form.dataset.sent;
  form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "dialog" || form.hasAttribute("data-many")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  setTimeout(() => {
    if (event.defaultPrevented && !form.closest("[hx-post], [hx-put], [hx-patch], [hx-delete]")) return;
    form.dataset.sent = "1";
    event.submitter?.setAttribute("aria-busy", "true");
    setTimeout(() => free(form), 15000);
  });
}, true);
document.addEventListener("htmx:finally:request", ({ detail }) => {
  const form = detail.ctx.sourceElement.closest?.("form");
  if (form) setTimeout(() => free(form));
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(free));
