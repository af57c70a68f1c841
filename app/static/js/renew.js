// A page outlives its session: the same contact comes in again by another tab, and this page's form token is dead.
// Whoever is refused dispatches "renew" and finds a promise in detail.answer: "same" (there is a new token now), "out"
// (nobody is signed in), "other" (somebody else is) or "line". "renewed" is told when somebody may be back.
const contact = document.querySelector("meta[name=contact]")?.content ?? "";
const SIGN = "portal opened";
let asking = null;

async function ask() {
  const answer = await fetch("/portal/form-token", { headers: { Accept: "application/json" } }).catch(() => null);
  if (answer?.status === 401) return "out";
  const said = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!said) return "line";
  if (said.contact !== contact) return "other";
  document.querySelectorAll("input[name=csrf_token]").forEach((field) => { field.value = said.token; });
  document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": said.token }));
  return "same";
}

function renew() {
  asking ??= ask().finally(() => { asking = null; });
  return asking;
}

document.addEventListener("renew", (event) => { if (contact) event.detail.answer = renew(); });
const back = () => document.dispatchEvent(new CustomEvent("renewed"));
if (contact) {
  localStorage.setItem(SIGN, String(Date.now())); // other tabs hear of it
  addEventListener("storage", async (event) => { if (event.key === SIGN && await renew() === "same") back(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) back(); });
  addEventListener("online", back);
}
