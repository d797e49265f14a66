// The panel that shows a session at work: what lives how long, what a refresh replaces, and when it happened.

import { call, refresh } from "./session.js";
import { busy, localize } from "./site.js";

const exact = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const panel = document.querySelector("[data-state]");
const log = document.querySelector("[data-log]");

const field = (name) => panel.querySelector(`[data-field="${name}"]`);

/** One more line of what happened, newest first. */
function note(text) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = exact.format(new Date());
  line.append(time, text);
  log.prepend(line);
}

function show(state) {
  for (const [name, value] of Object.entries(state)) {
    const place = field(name);
    if (place instanceof HTMLTimeElement) place.dateTime = value;
    else if (place) place.textContent = value;
  }
  for (const time of panel.querySelectorAll("time[data-exact]")) {
    time.textContent = exact.format(new Date(time.dateTime));
  }
  localize(panel);
}

/** What is left of each token, every second. */
function tick() {
  for (const place of panel.querySelectorAll("[data-left]")) {
    const seconds = Math.round((new Date(field(place.dataset.left).dateTime) - Date.now()) / 1000);
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    place.textContent = seconds > 0 ? `(${clock} left)` : "(ended)";
  }
}

async function showWhatChanged() {
  const token = field("faunaTokenId").textContent;
  const state = await call("/account/session");
  show(state);
  tick();
  if (state.faunaTokenId === token) return;
  note(`Refreshed: the session stays, its tokens are new. Fauna token ${state.faunaTokenId} replaces ${token}, which is deleted in Fauna as soon as no request under way can need it.`);
}

document.querySelector("[data-refresh-now]").addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, refresh);
});
document.addEventListener("session-refreshed", showWhatChanged);
addEventListener("storage", (event) => {
  if (event.key === "session-refreshed-at") showWhatChanged();
});

show({});
tick();
setInterval(tick, 1000);
note("You opened this page.");
