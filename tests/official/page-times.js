// Measures how long the site takes to answer each page, from the first byte of the request to the last of the answer, over one
// connection on this machine, with the embedded Fauna. Fails where the median of a page is above 10 ms.
//
//   tests/official/run page-times.js
//
// The program is the debug build, unless SITE_BINARY names another; a release build is several times faster.

import { Agent, request } from "node:http";
import { startSite } from "./site.js";

const MEDIAN_MS_MAX = 10;
const ROUNDS = 250;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** Resolves to `{status, cookies, milliseconds}`. */
function ask(url, options = {}, body = "") {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const asked = request(url, { agent, ...options }, (answer) => {
      const cookies = (answer.headers["set-cookie"] ?? []).map((line) => line.split(";")[0]);
      answer.on("data", () => {});
      answer.on("end", () => resolve({ status: answer.statusCode, cookies, milliseconds: performance.now() - started }));
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

const percentile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(1);

const site = await startSite({ INSECURE_NO_THROTTLE: "true" });
let isSlow = false;
try {
  const form = { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" };
  const { status, cookies } = await ask(`${site.base}/demo/try`, { method: "POST", headers: form });
  if (status !== 303) throw new Error(`no demo user: ${status}`);
  const cookie = cookies.filter((pair) => pair.includes("AccessToken")).join("; ");
  const pages = ["/", "/auth", "/auth?show=signup", "/auth/reset-password", "/auth/verify-email", "/cookies", "/api/docs", "/dev/mailbox", "/static/site.css"];
  const visits = [...pages.map((path) => [path, {}]), ...["/", "/account", "/account/settings"].map((path) => [path, { cookie }])];
  for (const [path, headers] of visits) {
    const times = [];
    for (let round = 0; round < ROUNDS; round++) {
      const answer = await ask(site.base + path, { headers });
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`);
      if (round >= ROUNDS / 4) times.push(answer.milliseconds); // The first are slower: caches are cold.
    }
    times.sort((a, b) => a - b);
    isSlow ||= percentile(times, 0.5) > MEDIAN_MS_MAX;
    const who = headers.cookie ? "signed in" : "nobody";
    console.log(`${path.padEnd(24)} ${who.padEnd(10)} median ${percentile(times, 0.5)} ms, 90th percentile ${percentile(times, 0.9)} ms`);
  }
} finally {
  agent.destroy();
  await site.stop();
}
if (isSlow) throw new Error(`a page takes more than ${MEDIAN_MS_MAX} ms`);
