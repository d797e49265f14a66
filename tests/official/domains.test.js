// Several sub domains in a real browser, whose resolver maps them to this machine: one login for all, and one login for each,
// with tokens in cookies and in headers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser } from "./browser.js";
import { serveFrontend } from "./frontend.js";
import { newAddress, PASSWORD } from "./people.js";
import { freePorts, startSite } from "./site.js";

const SOURCE = `
import Session from "supertokens-website";

const { api, mode, domain } = Object.fromEntries(new URLSearchParams(location.search));
Session.init({ apiDomain: api, tokenTransferMethod: mode, sessionTokenFrontendDomain: domain });
window.session = Session;
window.ask = async (path, options) => (await fetch(api + path, options)).status;
`;
const MAPPED = { args: ["--host-resolver-rules=MAP *.example.test 127.0.0.1"] };

let frontend;
before(async () => (frontend = await serveFrontend(SOURCE)));
after(() => frontend?.stop());

const port = (origin) => new URL(origin).port;

/** Runs `work(browser, api)` with a site at api.example.test that the pages of all sub domains may call. */
async function withSite(settings, work) {
  const [own] = await freePorts(1);
  const api = `http://api.example.test:${own}`;
  const site = await startSite({
    LISTEN: `127.0.0.1:${own}`,
    API_DOMAIN: api,
    WEBSITE_DOMAIN: `http://www.example.test:${port(frontend.origin)}`,
    ALLOWED_ORIGINS: `http://*.example.test:${port(frontend.origin)},http://*.example.test:${own}`,
    ...settings,
  });
  try {
    await inBrowser((browser) => work(browser, api), MAPPED);
  } finally {
    await site.stop();
  }
}

/** The frontend on a sub domain. */
async function open(browser, name, parameters) {
  const page = await browser.newPage();
  await page.goto(`http://${name}.example.test:${port(frontend.origin)}/?${new URLSearchParams(parameters)}`);
  return Object.assign(page, {
    ask: (path, options) => page.evaluate(([path, options]) => window.ask(path, options), [path, options]),
    exists: () => page.evaluate(() => window.session.doesSessionExist()),
    user: () => page.evaluate(() => window.session.getUserId()),
  });
}

function signUp(page, email = newAddress()) {
  const formFields = [{ id: "email", value: email }, { id: "password", value: PASSWORD }];
  const body = JSON.stringify({ formFields });
  return page.ask("/auth/signup", { method: "POST", headers: { "content-type": "application/json" }, body });
}

for (const mode of ["cookie", "header"]) {
  test(`one login for all sub domains, tokens in a ${mode}`, () =>
    withSite(mode === "cookie" ? { COOKIE_DOMAIN: ".example.test" } : {}, async (browser, api) => {
      const shared = { api, mode, domain: ".example.test" };
      const [one, two] = [await open(browser, "one", shared), await open(browser, "two", shared)];
      assert.equal(await signUp(one), 200);
      assert.deepEqual([await two.exists(), await two.ask("/sessioninfo")], [true, 200]);
      assert.equal(await two.user(), await one.user());
      if (mode === "cookie") {
        // The pages of the site on a third sub domain know the session as well.
        const page = await browser.newPage();
        assert.equal((await page.goto(`${api.replace("//api.", "//shop.")}/account`)).url().split("/").pop(), "account");
      }
      await two.evaluate(() => window.session.signOut());
      assert.deepEqual([await one.exists(), await one.ask("/sessioninfo")], [false, 401]);
    }));
}

test("one login for each sub domain, tokens in a header; mailed links lead to the one that asked", () =>
  withSite({}, async (browser, api) => {
    const apart = (name) => open(browser, name, { api, mode: "header", domain: `${name}.example.test` });
    const [one, two] = [await apart("one"), await apart("two")];
    const email = newAddress();
    assert.equal(await signUp(one, email), 200);
    assert.deepEqual([await one.ask("/sessioninfo"), await two.exists(), await two.ask("/sessioninfo")], [200, false, 401]);
    assert.equal(await signUp(two), 200);
    assert.notEqual(await two.user(), await one.user());
    await two.evaluate(() => window.session.signOut());
    assert.deepEqual([await one.exists(), await one.ask("/sessioninfo")], [true, 200]);

    const body = JSON.stringify({ formFields: [{ id: "email", value: email }] });
    const headers = { "content-type": "application/json" };
    assert.equal(await two.ask("/auth/user/password/reset/token", { method: "POST", headers, body }), 200);
    const box = await fetch(`${api.replace("api.example.test", "127.0.0.1")}/dev/mailbox`, { headers: { accept: "application/json" } });
    const mails = (await box.json()).mails.filter((mail) => mail.link?.includes("reset-password"));
    assert.ok(mails[0].link.startsWith(`http://two.example.test:${port(frontend.origin)}/auth/reset-password`), mails[0].link);
  }));

test("one login for each sub domain, tokens in cookies, where each serves the pages of the site", () =>
  withSite({}, async (browser, api) => {
    const page = await browser.newPage();
    const at = (name, path) => page.goto(api.replace("//api.", `//${name}.`) + path);
    await at("one", "/auth?show=signup&redirectToPath=%2Faccount");
    await page.locator("input[name=email]").fill(newAddress());
    await page.locator("input[name=password]").fill(PASSWORD);
    await page.locator("form.card button.main").click();
    await page.waitForURL(/\/\/one\.example\.test:\d+\/account$/);
    await at("two", "/account");
    assert.match(page.url(), /\/\/two\.example\.test:\d+\/auth\?/);
    await at("one", "/account");
    assert.match(page.url(), /\/\/one\.example\.test:\d+\/account$/);
  }));
