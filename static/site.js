// What every page does: times in the reader's own time zone, no form sent twice, and tabs that agree on who is signed in.

import { SignedOut, Refused } from "./session.js";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Rewrites the times below `root`, which the server writes in UTC. */
export function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-exact])")) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

/** Tells the person what became of what they did, on screen and to screen readers. */
export function say(text, tone = "good") {
  const notice = document.getElementById("notice");
  notice.className = `notice ${tone}`;
  notice.textContent = text;
}

/** Does `work` for `button`, which is busy meanwhile; says what went wrong; leaves for the sign-in page if the session is over. */
export async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    if (error instanceof SignedOut) {
      const here = location.pathname + location.search;
      location.assign(`/auth?redirectToPath=${encodeURIComponent(here)}`);
    } else if (error instanceof Refused) {
      say(error.message, "wrong");
    } else if (error instanceof TypeError) {
      say("The server cannot be reached. Try again.", "wrong");
    } else {
      throw error;
    }
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

/** Another tab signed in or out: what this one shows is no longer true. A text that is being written is not thrown away. */
function agreeWithOtherTabs() {
  const mine = document.documentElement.dataset.session ?? "";
  localStorage.setItem("session", mine);
  addEventListener("storage", (event) => {
    if (event.key !== "session" || event.newValue === mine) return;
    const writing = [...document.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue);
    if (writing) say("You signed in or out in another tab. Reload this page when you have saved your text.", "wrong");
    else location.reload();
  });
}

localize(document);
agreeWithOtherTabs();
document.addEventListener("submit", once);
// A page that comes back from the browser's cache has not been sent.
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});
document.querySelector("[data-focus]")?.focus();
document.querySelector("[data-submit-at-once]")?.requestSubmit();
// A secret that came in the address is in the page by now; the address bar and the history need not keep it.
if (document.querySelector("[data-forget-address]")) history.replaceState(null, "", location.pathname);
