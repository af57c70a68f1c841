// Light, dark, or as the system says; kept in a cookie so that the server draws the first paint right.
const root = document.documentElement;
const order = ["", "light", "dark"];
const said = { "": "As the system", light: "Light", dark: "Dark" };

function label(button) {
  button.querySelector("span").textContent = `Theme: ${said[root.dataset.theme ?? ""].toLowerCase()}`;
}

document.querySelectorAll("[data-theme-next]").forEach((button) => {
  label(button);
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    const next = order[(order.indexOf(root.dataset.theme ?? "") + 1) % order.length];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    document.cookie = `theme=${next}; path=/; max-age=${next ? 31536000 : 0}; samesite=lax`;
    label(button);
  });
});
