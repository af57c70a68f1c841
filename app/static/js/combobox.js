// Search as you type: asks data-combobox?q=… for options, sends the picked id in the hidden field beside the text.
let waiting = 0;
let asked = 0;

const parts = (input) => {
  const box = input.closest("[data-combobox]");
  return { box, list: box.querySelector("[role=listbox]"), hidden: box.querySelector("input[type=hidden]") };
};
const options = (list) => [...list.querySelectorAll("[role=option]")];

function close(input) {
  parts(input).list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function point(input, option) {
  options(parts(input).list).forEach((each) => each.setAttribute("aria-selected", each === option));
  if (!option) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

async function search(input) {
  const { box, list } = parts(input);
  const mine = ++asked;
  const url = new URL(box.dataset.combobox, location.href);
  url.searchParams.set("q", input.value.trim());
  const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!answer?.ok || mine !== asked || document.activeElement !== input) return;
  list.innerHTML = await answer.text();
  options(list).forEach((option, at) => { option.id = `${list.id}-${at}`; });
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
  point(input, input.value.trim() ? options(list)[0] : null);
}

function pick(input, option) {
  const { hidden } = parts(input);
  hidden.value = option.dataset.value;
  input.value = option.dataset.text ?? option.textContent.trim();
  close(input);
  hidden.dispatchEvent(new Event("change", { bubbles: true }));
}

const field = (event) => event.target.closest?.("[data-combobox] input[role=combobox]");

document.addEventListener("input", (event) => {
  const input = field(event);
  if (!input) return;
  parts(input).hidden.value = "";
  clearTimeout(waiting);
  waiting = setTimeout(search, 150, input);
});
document.addEventListener("keydown", (event) => {
  const input = field(event);
  if (!input) return;
  const { list } = parts(input);
  const all = options(list);
  const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" && list.hidden) search(input);
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") point(input, all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1) + (at < 0 && event.key === "ArrowUp" ? 1 : 0)) % all.length]);
  else if (event.key === "Enter" && !list.hidden && all[at]) pick(input, all[at]);
  else if (event.key === "Escape" && !list.hidden) close(input);
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.addEventListener("mousedown", (event) => {
  const option = event.target.closest?.("[data-combobox] [role=option]");
  if (!option) return;
  event.preventDefault();
  pick(option.closest("[data-combobox]").querySelector("input[role=combobox]"), option);
});
document.addEventListener("focusout", (event) => { if (field(event)) close(field(event)); });
