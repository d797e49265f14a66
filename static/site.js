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

/** Tells the visitor what became of what they did, on screen and to screen readers. */
export function say(text, tone = "good") {
  const notice = document.getElementById("notice");
  if (!notice) return;
  notice.className = `notice ${tone}`;
  notice.textContent = text;
}

/** Leads to the sign-in page, which says what became of the session that this page was shown for. */
export function leave() {
  const { session, signIn = "/account" } = document.documentElement.dataset;
  const here = encodeURIComponent(location.pathname + location.search);
  location.assign(`${signIn}?${session ? `ended=${encodeURIComponent(session)}&` : ""}redirectToPath=${here}`);
}

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
  const dialog = document.createElement("dialog");
  const title = Object.assign(document.createElement("h2"), { id: "confirm-title", textContent: form.dataset.confirm });
  const row = Object.assign(document.createElement("form"), { method: "dialog", className: "row" });
  const yes = Object.assign(document.createElement("button"), { className: "danger", value: "yes" });
  yes.textContent = submitter?.firstChild?.textContent.trim() || "Continue";
  row.append(yes, Object.assign(document.createElement("button"), { textContent: "Cancel", value: "no", autofocus: true }));
  dialog.setAttribute("aria-labelledby", "confirm-title");
  dialog.append(title, row);
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

/** Another tab signed in or out: what this one shows is no longer true. What is being written or read is not thrown away. */
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
    button.querySelector("span").textContent = `Theme: ${theme}`;
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

/** Passwords can be shown, and say while they are typed which rules they meet. */
function helpWithPasswords() {
  for (const input of document.querySelectorAll(".reveal input")) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Show" });
    const label = document.querySelector(`label[for="${input.id}"]`)?.textContent ?? "password";
    button.append(Object.assign(document.createElement("span"), { className: "hush", textContent: ` ${label.toLowerCase()}` }));
    button.addEventListener("click", () => {
      input.type = input.type === "password" ? "text" : "password";
      button.firstChild.textContent = input.type === "password" ? "Show" : "Hide";
    });
    input.form.addEventListener("submit", () => (input.type = "password"));
    input.after(button);
    if ("rules" in input.dataset) showRules(input);
  }
}

function showRules(input) {
  const rules = [
    ["8 to 99 characters", (text) => text.length >= 8 && text.length <= 99],
    ["a letter", (text) => /[a-z]/i.test(text)],
    ["a digit", (text) => /[0-9]/.test(text)],
  ];
  const list = Object.assign(document.createElement("ul"), { className: "rules" });
  list.append(...rules.map(([name]) => Object.assign(document.createElement("li"), { textContent: name })));
  input.addEventListener("input", () =>
    rules.forEach(([, holds], index) => list.children[index].classList.toggle("met", holds(input.value))));
  input.parentElement.after(list);
}

localize(document);
agreeWithOtherTabs();
offerThemes();
helpWithPasswords();
document.addEventListener("submit", confirmFirst);
document.addEventListener("submit", once);
// A page that comes back from the browser's cache has not been sent.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});
const first = document.querySelector("[data-focus]");
first?.focus();
if (first instanceof HTMLTextAreaElement) first.setSelectionRange(first.value.length, first.value.length);
document.querySelector("[data-submit-at-once]")?.requestSubmit();
// A secret that came in the address is in the page by now; the address bar and the history need not keep it.
if (document.querySelector("[data-forget-address]")) history.replaceState(null, "", location.pathname);
