// Requests that survive the end of an access token: after 401 "try refresh token" the session is refreshed, once, and the
// request is sent again. Tabs share one session and take turns: who had to wait finds the work done. What tabs must agree
// on at once is in cookies: localStorage reaches other tabs with a delay.

const REFRESHED_AT = "session-refreshed-at";
const ANTI_CSRF = "anti-csrf";

// Where the site asks for such tokens (ANTI_CSRF=VIA_TOKEN), the page brings the one of its session, and refreshes bring new ones.
keepAntiCsrf(document.documentElement.dataset.antiCsrf);

/** The session is over: only signing in again helps. */
export class SignedOut extends Error {}

/** The server did not do what was asked; `message` is for the person. */
export class Refused extends Error {}

/**
 * Like fetch, for our own API, signed in. Resolves to the answer's JSON, or to nothing where there is no body.
 * Throws SignedOut, Refused, or fetch's own TypeError when the server cannot be reached.
 */
export async function call(path, options = {}) {
  const answer = await send(path, options);
  return read((await wantsRefresh(answer)) ? await inTurn(() => sendRefreshed(path, options)) : answer);
}

/** Refreshes the session whether it needs it or not. */
export async function refresh() {
  await inTurn(sendRefresh);
}

async function send(path, options) {
  const headers = { accept: "application/json", rid: "anti-csrf", "st-auth-mode": "cookie", ...options.headers };
  const token = document.cookie.split("; ").find((pair) => pair.startsWith(`${ANTI_CSRF}=`))?.slice(ANTI_CSRF.length + 1);
  if (token) headers[ANTI_CSRF] = token;
  const answer = await fetch(path, { ...options, headers, credentials: "same-origin" });
  if (answer.headers.has(ANTI_CSRF)) keepAntiCsrf(answer.headers.get(ANTI_CSRF));
  return answer;
}

async function wantsRefresh(answer) {
  if (answer.status !== 401) return false;
  const body = await answer.clone().json().catch(() => ({}));
  return body.message === "try refresh token";
}

/** The session may have been refreshed while this request waited for its turn, so it is sent before anything is refreshed. */
async function sendRefreshed(path, options) {
  const answer = await send(path, options);
  if (!(await wantsRefresh(answer))) return answer;
  await sendRefresh();
  return send(path, options);
}

function keepAntiCsrf(token) {
  document.cookie = `${ANTI_CSRF}=${token}; Path=/; SameSite=Lax${token ? "" : "; Max-Age=0"}`;
}

async function sendRefresh() {
  const headers = { rid: "session" };
  await read(await send(document.documentElement.dataset.refresh, { method: "POST", headers }));
  localStorage.setItem(REFRESHED_AT, String(Date.now()));
  document.dispatchEvent(new Event("session-refreshed"));
}

/** One tab at a time. Browsers offer locks in secure contexts only; elsewhere the server's grace period has to do. */
function inTurn(work) {
  return navigator.locks ? navigator.locks.request("session-refresh", work) : work();
}

async function read(answer) {
  const text = await answer.text();
  const body = text && answer.headers.get("content-type")?.startsWith("application/json") ? JSON.parse(text) : undefined;
  if (answer.ok) return body;
  if (answer.status === 401) throw new SignedOut(body?.message);
  throw new Refused(sentence(answer.status, body));
}

/** What the server's message means to the person. */
function sentence(status, body) {
  if (body?.claimValidationErrors) return "Confirm your e-mail address first. Your account page says how.";
  if (status === 503) return "The database is not answering right now. Try again in a few seconds.";
  const text = body?.message ?? `the server answered ${status}`;
  return `${text[0].toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;
}
