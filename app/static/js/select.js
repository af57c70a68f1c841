// Rows that are picked: all at once, a range with Shift, and how many there are.
let last = null;

function rows(form) {
  return [...form.querySelectorAll("[data-select]")];
}

function count(form) {
  const picked = rows(form).filter((box) => box.checked).length;
  form.querySelectorAll("[data-selected-count]").forEach((slot) => { slot.textContent = picked; });
  const all = form.querySelector("[data-select-all]");
  if (all) {
    all.checked = picked > 0 && picked === rows(form).length;
    all.indeterminate = picked > 0 && !all.checked;
  }
}

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!box.matches?.("[data-select], [data-select-all]") || !box.form) return;
  const boxes = rows(box.form);
  if (box.matches("[data-select-all]")) boxes.forEach((each) => { each.checked = box.checked; });
  else if (event.shiftKey && last?.form === box.form) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((one, other) => one - other);
    boxes.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
  }
  if (box.matches("[data-select]")) last = box;
  count(box.form);
});
document.addEventListener("click", (event) => {
  const form = event.target.closest?.("[data-select-none]")?.form;
  if (!form) return;
  rows(form).forEach((box) => { box.checked = false; });
  count(form);
});
document.addEventListener("htmx:after:swap", () => document.querySelectorAll("form:has([data-select])").forEach(count));
