// The tab that is open stands in sight where the row of tabs is wider than the screen.
function show() {
  document.querySelectorAll(".tabs [aria-current]").forEach((tab) => {
    const row = tab.parentElement;
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  });
}

document.addEventListener("htmx:after:swap", show);
show();
