// The session panel: countdown, timeline and experiments.

import { Refused, call, refresh } from "./session.js";
import { busy, element, leave, localize, say, signInAgain } from "./site.js";

const state = document.querySelector("[data-session-state]");
const tokens = document.querySelector("[data-tokens]");
const timeline = document.querySelector("[data-timeline]");
const live = document.querySelector("[data-live]");
const word = document.querySelector("[data-state]");
const left = document.querySelector("[data-left]");
const bar = document.querySelector(".bar");
const SIGNED_OUT = "You are signed out. Sign in again to go on.";

/** The server's clock may be that of the demo. */
let ahead = Number(state.dataset.now) - Date.now();
let isOver = false;

const secondsTo = (time) => Math.max(0, Math.round((new Date(time) - Date.now() - ahead) / 1000));
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

function tick() {
  for (const old of tokens.querySelectorAll("[data-grace]")) old.dataset.rest = clock(secondsTo(old.dataset.grace));
  const seconds = secondsTo(left.dataset.until);
  left.textContent = isOver ? "is over" : seconds ? `expires in ${clock(seconds)}` : "has expired";
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
  if (token.matches(".grace") && token.textContent !== now.faunaToken) token.after(" ", chip(token.textContent, token.dataset.grace));
  delete token.dataset.grace;
  token.textContent = now.faunaToken || "being replaced";
  token.className = now.faunaToken ? "chip live" : "";
  for (const time of state.querySelectorAll("time[data-field]")) time.dateTime = now[time.dataset.field] ?? time.dateTime;
  localize(state);
  tick();
}

function cannotRefresh() {
  describe("cannot refresh", "grace");
  left.dataset.until = new Date(0).toISOString();
  tick();
}

function add(entry) {
  if (entry.background) return;
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

/** Devices, figures and buttons are those of the page, which is asked again when they have changed. */
let wanted;
function showDevices() {
  clearTimeout(wanted);
  if (isOver) return;
  wanted = setTimeout(async () => {
    const page = await pageAt(location.href);
    if (isOver) return;
    const [shown, now] = [document, page].map((root) => root.querySelector("[data-comments]"));
    if (now && now.dataset.comments !== shown.dataset.comments) shown.replaceWith(now), localize(now);
    for (const part of ["[data-devices]", "[data-delay]", "[data-toggle=device]", "[data-toggle=fauna]", "[data-fauna-stopped]"]) {
      const fresh = page.querySelector(part);
      if (fresh) document.querySelector(part)?.replaceWith(fresh), localize(fresh);
    }
  }, 400);
}

/** Asks what became of the token until it is dead. */
let pause = 100;
async function showFate() {
  const { session, signIn } = document.documentElement.dataset;
  const page = await pageAt(`${signIn}?ended=${encodeURIComponent(session)}`);
  const fate = page.querySelector("[data-ended]");
  if (!fate) return;
  const { ended, probed } = fate.dataset;
  describe(ended, ended);
  for (const token of tokens.querySelectorAll(".chip")) token.className = `chip ${ended}`;
  document.querySelector("[data-ended]")?.remove();
  document.querySelector("[data-again]").before(fate);
  pause = Math.min(pause * 2, 2000);
  if (ended !== "dead") return setTimeout(showFate, pause);
  const token = tokens.querySelector("[data-token]").textContent;
  if (probed) add({ id: Infinity, at: Math.max(Date.now() + ahead, new Date(timeline.querySelector("time").dateTime)), tone: "wrong", current: true, session: session.slice(0, 8),
    text: `Token ${token} used once more: ${probed}`, exchange: "CurrentIdentity()", outcome: probed, source: "src/pages/panel/ended.rs" });
}

/** Nothing on the page works any more, and it says so. A text can still be read. */
function disable() {
  for (const ask of document.querySelectorAll(".app .ask, .top form")) ask.remove();
  for (const button of document.querySelectorAll(".app button")) button.disabled = true, button.title = SIGNED_OUT;
  document.querySelector("[data-draft]").readOnly = true;
  document.querySelector(".composer .hint").textContent = SIGNED_OUT;
  document.querySelector("[data-devices]").replaceChildren(element("p", { className: "quiet" }, SIGNED_OUT));
  state.querySelector("[data-ends]").textContent = ", ended";
  const account = document.querySelector('.top a[href="/account"]');
  if (account) account.textContent = "Sign in", account.href = signInAgain();
}

function over() {
  isOver = true;
  describe("revoking", "revoking");
  live.textContent = "";
  document.querySelector("[data-refresh-now]").remove();
  const again = element("a", { className: "button main small", href: signInAgain() }, "Sign in again");
  again.dataset.again = "";
  state.before(again);
  disable();
  tick();
  showFate();
  // Evidence being read and a text being written are not taken away.
  const keep = document.querySelector("[data-evidence], [data-draft]:not(:placeholder-shown), form [aria-busy='true']");
  if (!keep) setTimeout(leave, 700);
}

function chip(fingerprint, until) {
  const made = element("span", { className: "chip grace" }, fingerprint);
  made.dataset.grace = until;
  return made;
}

/** The chip of a superseded token turns amber, and grey once it is deleted. */
function showOld({ kind, fingerprint, until }) {
  const old = [...tokens.querySelectorAll(".chip")].find((old) => old.textContent === fingerprint);
  const end = until && new Date(until).toISOString();
  if (kind === "token-in-grace" && old) old.className = "chip grace", old.dataset.grace = end;
  else if (kind === "token-in-grace") tokens.append(" ", chip(fingerprint, end));
  tick();
  if (kind !== "token-deleted" || !old) return;
  old.className = "chip dead";
  if (!old.matches("[data-token]")) setTimeout(() => isOver || old.remove(), 5000);
}

function hear(entry) {
  add(entry);
  if (entry.at < state.dataset.now) return; // The page shows what came before it.
  if (entry.kind === "session-created" || entry.kind === "session-ended" || entry.kind === "token-deleted") showDevices();
  if (!entry.current) return;
  if (!entry.background && innerWidth < 992) say(entry.text, entry.tone); // The timeline is far below the comments there.
  showOld(entry);
  if (entry.kind === "session-ended") over();
  else if (isOver) showFate();
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
  const place = form.closest("li");
  document.querySelector("[data-evidence]")?.remove();
  place.append(evidence);
  if (isOver) disable();
  (evidence.querySelector("input") ?? evidence).focus();
  if (form.dataset.then === "refresh") await showState();
  showDevices();
}

// Forms come and go here; the one that asks for a password is part of an evidence.
document.querySelector(".lab").addEventListener("submit", (event) => {
  if (!event.target.matches("[data-experiment]")) return;
  event.preventDefault();
  busy(event.submitter, () => experiment(event.target, event.submitter));
});
document.querySelector("[data-refresh-now]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  busy(event.submitter, refresh);
});
document.addEventListener("session-refreshed", showState);
addEventListener("storage", (event) => event.key === "session-refreshed-at" && showState());

tick();
setInterval(tick, 1000);
listen();
