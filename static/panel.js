// The session panel: a countdown, the timeline as it happens, and experiments that show their evidence in place.

import { Refused, call, refresh } from "./session.js";
import { busy, element, leave, localize } from "./site.js";

const state = document.querySelector("[data-session-state]");
const tokens = document.querySelector("[data-tokens]");
const timeline = document.querySelector("[data-timeline]");
const live = document.querySelector("[data-live]");
const word = document.querySelector("[data-state]");
const left = document.querySelector("[data-left]");
const bar = document.querySelector(".bar");

/** The server's clock may be that of the demo: what is left is counted from its time. */
let ahead = Number(state.dataset.now) - Date.now();
let isOver = false;

function tick() {
  const seconds = Math.max(0, Math.round((new Date(left.dataset.until) - Date.now() - ahead) / 1000));
  left.textContent = isOver ? "over" : seconds ? `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` : "expired; the next request refreshes";
  bar.value = isOver ? 0 : seconds;
}

function describe(text, tone) {
  word.textContent = text;
  word.className = `chip word ${tone}`;
}

async function showState() {
  const now = await call("/account/session").catch((error) => {
    if (error instanceof Refused) cannotRefresh();
    throw error;
  });
  describe("active", "live");
  ahead = now.now - Date.now();
  left.dataset.until = now.accessTokenExpiresAt;
  const token = tokens.querySelector("[data-token]");
  if (token.matches(".grace") && token.textContent !== now.faunaToken) token.after(" ", chip(token.textContent));
  token.textContent = now.faunaToken || "being replaced";
  token.className = now.faunaToken ? "chip live" : "";
  for (const time of state.querySelectorAll("time[data-field]")) time.dateTime = now[time.dataset.field] ?? time.dateTime;
  localize(state);
  tick();
}

/** While the database does not answer; what the page shows was true before. */
function cannotRefresh() {
  describe("cannot refresh", "grace");
  left.dataset.until = new Date(0).toISOString();
  tick();
}

function add(entry) {
  const known = timeline.querySelector(`[data-id="${entry.id}"]`);
  if (known) {
    if (entry.exchange) known.querySelector("code").textContent = entry.exchange;
    return;
  }
  const time = element("time", { dateTime: new Date(entry.at).toISOString() });
  time.dataset.exact = "";
  const other = element("span", { className: "quiet" }, "(other session)");
  const note = `${entry.outcome && `${entry.outcome} · `}session ${entry.session}${entry.current ? " (this one)" : ""} · `;
  const exchange = element("div", { className: "exchange" });
  if (entry.exchange) exchange.append(element("code", {}, entry.exchange));
  exchange.append(element("p", {}, note, element("code", {}, entry.source)));
  const line = element("li", { className: `${entry.tone} fresh` },
    element("details", {}, element("summary", {}, `${entry.text} `, ...(entry.current ? [] : [other, " "]), time), exchange));
  line.dataset.id = entry.id;
  localize(line);
  const next = [...timeline.children].find((other) => Number(other.dataset.id) < entry.id);
  timeline.insertBefore(line, next ?? null);
}

async function pageAt(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const other of page.querySelectorAll("noscript")) other.remove(); // A parser has no scripts.
  return page;
}

/** Devices and figures are those of the page; the page is asked again when they have changed. */
let wanted;
function showDevices() {
  clearTimeout(wanted);
  wanted = setTimeout(async () => {
    const page = await pageAt("/");
    if (isOver) return;
    for (const part of ["[data-devices]", "[data-delay]"]) {
      const fresh = page.querySelector(part);
      if (fresh) document.querySelector(part).replaceWith(fresh), localize(fresh);
    }
  }, 400);
}

/** What became of the token, asked until it is dead: soon again, then less often. */
let pause = 100;
async function showFate() {
  const { session, signIn } = document.documentElement.dataset;
  const page = await pageAt(`${signIn}?ended=${encodeURIComponent(session)}`);
  const fate = page.querySelector("[data-ended]");
  if (!fate) return;
  const tone = fate.dataset.ended === "dead" ? "dead" : "grace";
  describe(fate.dataset.ended, tone);
  for (const token of tokens.querySelectorAll(".chip")) token.className = `chip ${tone}`;
  document.querySelector("[data-ended]")?.remove();
  state.before(fate);
  pause = Math.min(pause * 2, 2000);
  if (tone !== "dead") setTimeout(showFate, pause);
}

function over() {
  isOver = true;
  describe("revoking", "grace");
  live.textContent = "";
  document.querySelector("[data-refresh-now]").remove();
  tick();
  showFate();
  // Evidence that is being read, and a text that is being written, are not taken away.
  const keep = document.querySelector("[data-evidence], [data-draft]:not(:placeholder-shown), form [aria-busy='true']");
  if (!keep) setTimeout(leave, 700);
}

const chip = (fingerprint) => element("span", { className: "chip grace" }, fingerprint);

/** The chip of a superseded token turns amber, and grey once it is deleted. */
function showOld({ kind, fingerprint }) {
  const old = [...tokens.querySelectorAll(".chip")].find((old) => old.textContent === fingerprint);
  if (kind === "token-in-grace" && old) old.className = "chip grace";
  else if (kind === "token-in-grace") tokens.append(" ", chip(fingerprint));
  if (kind !== "token-deleted" || !old) return;
  old.className = "chip dead";
  if (!old.matches("[data-token]")) setTimeout(() => isOver || old.remove(), 5000);
}

function hear(entry) {
  add(entry);
  if (entry.at < state.dataset.now) return; // The page shows what came before it.
  if (entry.kind === "session-created" || entry.kind === "session-ended" || entry.kind === "token-deleted") showDevices();
  if (!entry.current) return;
  showOld(entry);
  if (entry.kind === "session-ended") over();
}

/** Opens the stream. A browser reconnects by itself, except after a refusal: then a refresh comes first. */
function listen() {
  const stream = new EventSource("/api/session/events");
  stream.addEventListener("open", () => (live.textContent = "live"));
  stream.addEventListener("message", (event) => hear(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    if (isOver) return stream.close();
    live.textContent = "reconnecting";
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(() => busy(timeline, async () => { await showState(); listen(); }, () => setTimeout(listen, 3000)), 1000);
  });
}

/** Sends a form and shows the evidence of the answer below it. */
async function experiment(form, button) {
  const path = button?.getAttribute("formaction") ?? form.action;
  const page = await pageAt(path, { method: "POST", body: new URLSearchParams(new FormData(form, button)) });
  const evidence = page.querySelector("[data-evidence]");
  if (!evidence) return leave();
  document.querySelector("[data-evidence]")?.remove();
  form.after(evidence);
  localize(evidence);
  evidence.focus();
  if (path.endsWith("/demo/fauna")) document.querySelector("[data-fauna-stopped]").hidden = button.value === "true";
  if (form.dataset.then === "refresh") await showState();
}

for (const form of document.querySelectorAll("form[data-experiment]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(event.submitter, () => experiment(form, event.submitter));
  });
}
document.querySelector("[data-refresh-now]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, refresh);
});
document.addEventListener("session-refreshed", showState);
addEventListener("storage", (event) => event.key === "session-refreshed-at" && showState());

/** The user's own document, asked for in the wire format of the official driver. */
const ask = document.querySelector("[data-browser-query]");
ask?.addEventListener("click", () => busy(ask, async () => {
  const session = await call("/sessioninfo");
  const token = session.userDataInAccessToken?.faunadbToken ?? session.accessTokenPayload?.faunadbToken;
  const answer = await fetch(ask.dataset.browserQuery, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "x-faunadb-api-version": "4" },
    body: JSON.stringify({ get: { current_identity: null } }),
  });
  const text = JSON.stringify(await answer.json(), null, 1);
  document.querySelector("[data-browser-answer]").replaceChildren(element("div", { className: "evidence" },
    element("p", {}, `${answer.status} from ${ask.dataset.browserQuery}`), element("pre", {}, text)));
}));
if (ask) ask.hidden = false;

tick();
setInterval(tick, 1000);
listen();
