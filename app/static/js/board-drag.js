// A card is dragged to another stage; the menu on the card does the same by keyboard.
const board = document.querySelector("[data-board]");
const token = () => document.querySelector("input[name=csrf_token]")?.value ?? "";
const id = (card) => card.dataset.live.slice("job:".length);
let dragged = null;

const lists = () => board.querySelectorAll("[data-stage]");
const column = (element) => element.closest?.(".board-column");

board?.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.(".board-card");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", id(dragged));
  setTimeout(() => dragged?.classList.add("is-dragged"));
});

board?.addEventListener("dragover", (event) => {
  const list = column(event.target)?.querySelector("[data-stage]");
  if (!dragged || !list) return;
  event.preventDefault();
  lists().forEach((each) => column(each).classList.toggle("is-target", each === list && !each.contains(dragged)));
});

function settle() {
  dragged?.classList.remove("is-dragged");
  lists().forEach((each) => column(each).classList.remove("is-target"));
  dragged = null;
}

function count(list, change) {
  const slot = column(list).querySelector(".count");
  slot.textContent = Number(slot.textContent) + change;
}

async function move(card, from, to) {
  const before = card.nextElementSibling;
  to.prepend(card);
  count(from, -1);
  count(to, 1);
  const body = new URLSearchParams({ stage: to.dataset.stage, csrf_token: token() });
  const answer = await fetch(`/jobs/${id(card)}/stage`, {
    method: "POST", body, headers: { "X-Requested-With": "drag", "X-CSRFToken": token(), Accept: "application/json" },
  }).catch(() => null);
  if (answer?.ok) {
    const undo = answer.headers.get("X-Undo");
    const text = `Moved to ${to.closest("[data-column]").getAttribute("aria-label")}`;
    if (undo) document.dispatchEvent(new CustomEvent("toast", { detail: { text, meaning: "done", undo } }));
    return;
  }
  from.insertBefore(card, before);
  count(from, 1);
  count(to, -1);
  const told = await answer?.json().catch(() => null);
  const text = told?.message ?? "The card could not be moved; it is back where it was.";
  document.dispatchEvent(new CustomEvent("toast", { detail: { text, meaning: "late" } }));
}

board?.addEventListener("drop", (event) => {
  const to = column(event.target)?.querySelector("[data-stage]");
  const from = dragged?.closest("[data-stage]");
  event.preventDefault();
  const card = dragged;
  settle();
  if (card && from && to && from !== to) move(card, from, to);
});
board?.addEventListener("dragend", settle);
