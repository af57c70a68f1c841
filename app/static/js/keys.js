// Keyboard: j k move among [data-row], Enter opens, x selects, a letter presses the row's or page's [data-key].
const typing = (element) => element.matches?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.checkVisibility());
const current = () => document.querySelector("[data-row][aria-current=true]") ?? document.activeElement?.closest("[data-row]");

function go(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  const row = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
  all.forEach((each) => each.removeAttribute("aria-current"));
  row.setAttribute("aria-current", "true");
  (row.querySelector("a[href]") ?? row).focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const row = current();
  const wanted = `[data-key="${CSS.escape(key)}"]`;
  const button = row?.querySelector(wanted) ?? document.querySelector(`#panel ${wanted}, .page-head ${wanted}, .topbar ${wanted}`);
  button?.click();
  return Boolean(button);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "j") go(1);
  else if (event.key === "k") go(-1);
  else if (event.key === "x") current()?.querySelector("[data-select]")?.click();
  else if (event.key === "?") document.getElementById("keys")?.showModal();
  else if (event.key === "/") document.querySelector("[data-open='#palette']")?.click();
  else if (!/^[a-z]$/.test(event.key) || !press(event.key)) return;
  event.preventDefault();
});
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("[data-row]");
  if (!row || row.matches("[aria-current=true]")) return;
  document.querySelectorAll("[data-row][aria-current=true]").forEach((each) => each.removeAttribute("aria-current"));
});
