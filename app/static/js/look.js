// A link that takes what a field says along: data-with="#id".
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-with]");
  const field = link && document.querySelector(link.dataset.with);
  if (!field) return;
  const address = new URL(link.href);
  address.searchParams.set(field.name, field.value);
  link.href = address;
});
