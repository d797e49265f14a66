// SuperTokens' published frontend packages on a page of another origin: events, one refresh for many requests, two tabs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser } from "./browser.js";
import { serveFrontend } from "./frontend.js";
import { newAddress, PASSWORD } from "./people.js";
import { startSite } from "./site.js";

const SOURCE = `
import Session from "supertokens-website";
import SuperTokens from "supertokens-web-js";
import EmailPassword from "supertokens-web-js/recipe/emailpassword";
import WebSession from "supertokens-web-js/recipe/session";

const apiDomain = new URLSearchParams(location.search).get("api");
window.events = [];
const onHandleEvent = (event) => window.events.push(event.action);
if (location.pathname === "/website") {
  Session.init({ apiDomain, onHandleEvent });
  window.session = Session;
} else {
  SuperTokens.init({
    appInfo: { appName: "test", apiDomain, apiBasePath: "/auth" },
    recipeList: [EmailPassword.init(), WebSession.init({ onHandleEvent })],
  });
  window.session = WebSession;
  window.emailPassword = EmailPassword;
}
window.ask = async (path, options) => (await fetch(apiDomain + path, options)).status;
`;
const ACCESS_TOKEN_LIFETIME_S = 3;

let site, frontend;
before(async () => {
  frontend = await serveFrontend(SOURCE);
  site = await startSite({
    WEBSITE_DOMAIN: frontend.origin,
    ACCESS_TOKEN_LIFETIME_S: String(ACCESS_TOKEN_LIFETIME_S),
    ACCESS_FAUNADB_TOKEN_FROM_FRONTEND: "true",
  });
});
after(async () => {
  await site?.stop();
  await frontend?.stop();
});

/** A tab on that page of the frontend; `refreshes()` counts the refreshes it asked for. */
async function open(browser, path) {
  const page = await browser.newPage();
  let refreshes = 0;
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/auth/session/refresh")) refreshes += 1;
  });
  await page.goto(`${frontend.origin}${path}?api=${encodeURIComponent(site.base)}`);
  return Object.assign(page, {
    refreshes: () => refreshes,
    ask: (path, options) => page.evaluate(([path, options]) => window.ask(path, options), [path, options]),
    events: () => page.evaluate(() => window.events.splice(0)),
    exists: () => page.evaluate(() => window.session.doesSessionExist()),
  });
}

/** Signs up by hand, through the fetch that the package has wrapped. */
function signUp(page) {
  const formFields = [{ id: "email", value: newAddress() }, { id: "password", value: PASSWORD }];
  const body = JSON.stringify({ formFields });
  return page.ask("/auth/signup", { method: "POST", headers: { "content-type": "application/json" }, body });
}

/** Waits until the access token has ended, by the clock that the page reads. */
const accessTokenEnds = (page) =>
  page.waitForFunction(() => {
    const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("sFrontToken="));
    return JSON.parse(atob(cookie.slice("sFrontToken=".length))).ate < Date.now();
  });

test("supertokens-website: a session begins, is refreshed once for many requests, and ends", () =>
  inBrowser(async (browser) => {
    const page = await open(browser, "/website");
    assert.equal(await page.exists(), false);
    assert.equal(await signUp(page), 200);
    assert.deepEqual(await page.events(), ["SESSION_CREATED"]);
    assert.match(await page.evaluate(() => window.session.getUserId()), /^\d+$/);

    await accessTokenEnds(page);
    const before = page.refreshes();
    const statuses = await Promise.all(Array.from({ length: 10 }, () => page.ask("/sessioninfo")));
    assert.deepEqual(statuses, Array(10).fill(200));
    assert.equal(page.refreshes() - before, 1);
    assert.ok((await page.events()).includes("REFRESH_SESSION"));

    await page.evaluate(() => window.session.signOut());
    assert.deepEqual(await page.events(), ["SIGN_OUT"]);
    assert.equal(await page.exists(), false);
    assert.equal(await page.ask("/sessioninfo"), 401);
  }));

test("supertokens-website 20: the page asks Fauna with the session's token, until the session ends", () =>
  inBrowser(async (browser) => {
    const page = await open(browser, "/website");
    assert.equal(await signUp(page), 200);
    // A page of another origin asks: Fauna allows it, and the header with the version of the language.
    const ask = (fauna) => page.evaluate(async (fauna) => {
      window.kept ??= (await window.session.getAccessTokenPayloadSecurely()).faunadbToken;
      const headers = { authorization: `Bearer ${window.kept}`, "x-faunadb-api-version": "4" };
      return (await fetch(fauna, { method: "POST", headers, body: '{"select":["id"],"from":{"current_identity":null}}' })).json();
    }, fauna);
    const { resource } = await ask(site.fauna);
    assert.equal(resource, await page.evaluate(() => window.session.getUserId()));
    await page.evaluate(() => window.session.signOut());
    assert.equal((await ask(site.fauna)).errors[0].code, "unauthorized");
  }));

test("supertokens-website: two tabs share one refresh and one sign-out", () =>
  inBrowser(async (browser) => {
    const one = await open(browser, "/website");
    assert.equal(await signUp(one), 200);
    const other = await open(browser, "/website");
    assert.equal(await other.exists(), true);

    await accessTokenEnds(one);
    const before = one.refreshes() + other.refreshes();
    assert.deepEqual(await Promise.all([one.ask("/sessioninfo"), other.ask("/sessioninfo")]), [200, 200]);
    assert.equal(one.refreshes() + other.refreshes() - before, 1);

    await one.evaluate(() => window.session.signOut());
    assert.equal(await other.exists(), false);
    assert.equal(await other.ask("/sessioninfo"), 401);
  }));

test("supertokens-web-js: bad fields, sign-up, sign-out, wrong password, sign-in", () =>
  inBrowser(async (browser) => {
    const page = await open(browser, "/web-js");
    const email = newAddress();
    const enter = (form, email, password) =>
      page.evaluate(
        ([form, formFields]) => window.emailPassword[form]({ formFields }),
        [form, [{ id: "email", value: email }, { id: "password", value: password }]],
      );

    const bad = await enter("signUp", "no address", "short");
    assert.equal(bad.status, "FIELD_ERROR");
    assert.deepEqual(bad.formFields.map((field) => field.id).sort(), ["email", "password"]);

    const { status, user } = await enter("signUp", email, PASSWORD);
    assert.equal(status, "OK");
    assert.deepEqual([user.emails, user.loginMethods.length, user.tenantIds], [[email], 1, ["public"]]);
    assert.equal(await page.exists(), true);
    assert.equal(await page.ask("/sessioninfo"), 200);

    await page.evaluate(() => window.session.signOut());
    assert.equal(await page.exists(), false);
    assert.equal((await enter("signIn", email, "wrong password 1")).status, "WRONG_CREDENTIALS_ERROR");
    assert.equal((await enter("signIn", email.toUpperCase(), PASSWORD)).status, "OK");
    assert.equal(await page.exists(), true);
  }));
