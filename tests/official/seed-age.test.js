// supertokens-website 9, as frontends of the age of the original used it: `getJWTPayloadSecurely().faunadbToken`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser } from "./browser.js";
import { serveFrontend } from "./frontend.js";
import { newAddress, PASSWORD } from "./people.js";
import { startSite } from "./site.js";

const SOURCE = `
import Session from "supertokens-website-9";
const apiDomain = new URLSearchParams(location.search).get("api");
Session.init({ apiDomain });
window.session = Session;
window.ask = async (path, options) => (await fetch(apiDomain + path, options)).status;
`;
const ACCESS_TOKEN_LIFETIME_S = 3;

let site, frontend;
before(async () => {
  frontend = await serveFrontend(SOURCE);
  site = await startSite({
    WEBSITE_DOMAIN: frontend.origin,
    ACCESS_FAUNADB_TOKEN_FROM_FRONTEND: "true",
    ACCESS_TOKEN_LIFETIME_S: String(ACCESS_TOKEN_LIFETIME_S),
  });
});
after(async () => {
  await site?.stop();
  await frontend?.stop();
});

/** Whether Fauna accepts this secret. */
async function accepts(secret) {
  const headers = { authorization: `Bearer ${secret}`, "x-faunadb-api-version": "4" };
  const answer = await fetch(site.fauna, { method: "POST", headers, body: '{"now":null}' });
  assert.ok([200, 401].includes(answer.status), `unexpected status ${answer.status}`);
  return answer.status === 200;
}

test("supertokens-website 9: sign up, use the Fauna token, refresh once for many requests, sign out", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    let refreshes = 0;
    page.on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith("/auth/session/refresh")) refreshes += 1;
    });
    await page.goto(`${frontend.origin}/?api=${encodeURIComponent(site.base)}`);
    const ask = (path, options) => page.evaluate(([path, options]) => window.ask(path, options), [path, options]);
    const formFields = [{ id: "email", value: newAddress() }, { id: "password", value: PASSWORD }];
    const headers = { "content-type": "application/json" };
    assert.equal(await ask("/auth/signup", { method: "POST", headers, body: JSON.stringify({ formFields }) }), 200);
    assert.equal(await page.evaluate(() => window.session.doesSessionExist()), true);
    const first = await page.evaluate(async () => (await window.session.getJWTPayloadSecurely()).faunadbToken);
    assert.equal(await accepts(first), true);

    await page.waitForTimeout(ACCESS_TOKEN_LIFETIME_S * 1000 + 100);
    const before = refreshes;
    const statuses = await Promise.all(Array.from({ length: 5 }, () => ask("/sessioninfo")));
    assert.deepEqual([statuses, refreshes - before], [Array(5).fill(200), 1]);
    const second = await page.evaluate(async () => (await window.session.getJWTPayloadSecurely()).faunadbToken);
    assert.notEqual(second, first);

    await page.evaluate(() => window.session.signOut());
    assert.equal(await page.evaluate(() => window.session.doesSessionExist()), false);
    assert.deepEqual([await accepts(first), await accepts(second)], [false, false]);
  }));
