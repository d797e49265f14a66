// What every page does: times in the reader's own time zone, the theme, no form sent twice, questions before something is
// destroyed, and tabs that agree on who is signed in.

import { SignedOut, Refused } from "./session.js";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** Rewrites the times below `root`, which the server writes in UTC. */
export function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = ("exact" in time.dataset ? exact : format).format(new Date(time.dateTime));
  }
}

/** Makes an element with these properties and children. */
export function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Tells the visitor what became of what they did, on screen and to screen readers. */
export function say(text, tone = "good") {
  const notice = document.getElementById("notice");
  if (!notice) return;
  notice.className = `notice ${tone}`;
  notice.textContent = text;
}

/** The sign-in page, which says what became of the session that this page was shown for. */
export function signInAgain() {
  const { session, signIn = "/account" } = document.documentElement.dataset;
  const current = document.querySelector(".top [aria-current]"); // A page that answers a form is at the form's address.
  const { pathname, search } = current && current.pathname !== location.pathname ? current : location;
  const here = encodeURIComponent(pathname + search);
  return `${signIn}?${session ? `ended=${encodeURIComponent(session)}&` : ""}redirectToPath=${here}`;
}

export const leave = () => location.assign(signInAgain());

/** Does `work` for `button`, which is busy meanwhile. `fail` gets a message; where the session is over, the page is left. */
export async function busy(button, work, fail = (message) => say(message, "wrong")) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    if (error instanceof SignedOut) leave();
    else if (error instanceof Refused) fail(error.message);
    else if (error instanceof TypeError) fail("The server cannot be reached. Try again.");
    else throw error;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function once(event) {
  const button = event.submitter ?? event.target.querySelector("button");
  if (event.defaultPrevented || !button) return;
  if (button.getAttribute("aria-busy") === "true") event.preventDefault();
  else button.setAttribute("aria-busy", "true");
}

/** Asks before a form with `data-confirm` is sent. */
function confirmFirst(event) {
  const { target: form, submitter } = event;
  if (event.defaultPrevented || !form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  const answer = submitter?.firstChild?.textContent.trim() || "Continue";
  const dialog = element("dialog", {}, element("h2", { id: "confirm-title" }, form.dataset.confirm),
    element("form", { method: "dialog", className: "row" },
      element("button", { className: "danger", value: "yes" }, answer),
      element("button", { value: "no", autofocus: true }, "Cancel")));
  dialog.setAttribute("aria-labelledby", "confirm-title");
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return;
    form.dataset.confirmed = "yes";
    form.requestSubmit(submitter);
    delete form.dataset.confirmed;
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** Another tab signed in or out: this one is out of date. What is being written or read is not thrown away. */
function agreeWithOtherTabs() {
  const mine = document.documentElement.dataset.session;
  if (mine === undefined) return; // Pages of failures know nothing of sessions.
  localStorage.setItem("session", mine);
  addEventListener("storage", (event) => {
    if (event.key !== "session" || event.newValue === mine || document.querySelector("[data-evidence]")) return;
    const writing = [...document.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue);
    if (writing) say("You signed in or out in another tab. Reload this page when you have saved your text.", "wrong");
    else if (mine && !event.newValue) leave();
    else location.reload();
  });
}

/** The button that goes round: theme of the system, light, dark. */
function offerThemes() {
  if ("themeFixed" in document.documentElement.dataset) return;
  const button = document.querySelector("[data-theme-button]");
  const names = ["system", "light", "dark"];
  const show = () => {
    const theme = localStorage.getItem("theme") ?? "system";
    button.querySelector("span").textContent = button.title = `Theme: ${theme}`;
    button.querySelector("use").setAttribute("href", `#i-${theme === "system" ? "auto" : theme}`);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    return theme;
  };
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(show()) + 1) % names.length];
    if (next === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", next);
    show();
  });
}

localize(document);
agreeWithOtherTabs();
offerThemes();
// A question that a <details> holds: opening it moves the focus to the answer.
for (const question of document.querySelectorAll(".ask")) {
  question.addEventListener("toggle", () => question.open && question.querySelector("button").focus());
}
document.addEventListener("submit", confirmFirst);
document.addEventListener("submit", ({ target, submitter }) => {
  const action = submitter?.getAttribute("formaction") ?? target.getAttribute("action");
  if (action !== "/drafts/discard") return;
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("draft of ")) sessionStorage.removeItem(key);
});
document.addEventListener("submit", once);
// A page that comes back from the browser's cache has not been sent.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});
const first = document.querySelector("[data-focus]");
first?.focus();
if (first instanceof HTMLTextAreaElement) first.setSelectionRange(first.value.length, first.value.length);
