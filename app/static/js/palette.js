// Ctrl K: one field that finds any client, job, bill, person or action. The server answers options with addresses.
const palette = document.getElementById("palette");
const input = palette?.querySelector("input");
const results = document.getElementById("palette-results");
let waiting = 0;
let asked = 0;

const options = () => [...results.querySelectorAll("[role=option]")];

function point(option) {
  options().forEach((each) => each.setAttribute("aria-selected", each === option));
  if (!option) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

async function search() {
  const mine = ++asked;
  const url = new URL(palette.dataset.url, location.href);
  url.searchParams.set("q", input.value.trim());
  const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!answer?.ok || mine !== asked) return;
  results.innerHTML = await answer.text();
  options().forEach((option, at) => { option.id = `palette-${at}`; option.tabIndex = -1; });
  point(options()[0]);
}

function show() {
  if (palette.open) return palette.close();
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  palette.showModal();
  input.select();
  search();
}

if (palette) {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      show();
    }
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open='#palette']") && palette.open) { input.select(); search(); }
  });
  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  input.addEventListener("keydown", (event) => {
    const all = options();
    const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") point(all[(at + 1) % all.length]);
    else if (event.key === "ArrowUp") point(all[(at + all.length - 1) % all.length]);
    else if (event.key === "Enter") (all[at] ?? all[0])?.click();
    else return;
    event.preventDefault();
  });
}
