// "Keep me signed in" on the sign-in page, in a browser: what becomes of the session when the browser is closed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser, watch } from "./browser.js";
import { PASSWORD, signUp } from "./people.js";
import { startSite } from "./site.js";

/** The cookies of a session. What scripts read of it has a life of its own, and signs nobody in. */
const SESSION = ["sAccessToken", "sRefreshToken"];

let site;
before(async () => {
  site = await startSite({ REMEMBER_ME: "true" });
});
after(() => site?.stop());

/** Signs in with the form. Resolves to the cookies of the session. */
async function signIn(browser, email, remember) {
  const page = await browser.newPage();
  const faults = watch(page);
  await page.goto(`${site.base}/auth?redirectToPath=/account`);
  const box = page.getByLabel("Keep me signed in");
  assert.equal(await box.isChecked(), false);
  if (remember) await box.check();
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${site.base}/account`);
  assert.deepEqual(faults, []);
  return (await browser.cookies()).filter(({ name }) => SESSION.includes(name));
}

for (const remember of [false, true]) {
  test(`the cookies ${remember ? "outlive" : "end with"} the browser, also after a refresh`, async () => {
    const { email } = await signUp(site.base);
    await inBrowser(async (browser) => {
      const check = (cookies) => {
        assert.deepEqual(cookies.map(({ name }) => name).sort(), SESSION);
        for (const { name, expires } of cookies) assert.equal(expires > 0, remember, `${name} ${expires}`);
      };
      check(await signIn(browser, email, remember));
      const page = browser.pages().at(-1);
      const status = await page.evaluate(() =>
        fetch("/auth/session/refresh", { method: "POST", headers: { rid: "session" } }).then((answer) => answer.status));
      assert.equal(status, 200);
      check((await browser.cookies()).filter(({ name }) => SESSION.includes(name)));
      await page.goto(`${site.base}/account`);
      await page.getByRole("heading").first().waitFor();
      assert.equal(new URL(page.url()).pathname, "/account");
    });
  });
}

test("the frontends' interface is not asked, and its sessions live as set", async () => {
  const { email } = await signUp(site.base);
  const formFields = [{ id: "email", value: email }, { id: "password", value: PASSWORD }];
  const answer = await fetch(`${site.base}/auth/signin`, {
    method: "POST",
    headers: { "content-type": "application/json", rid: "emailpassword", "st-auth-mode": "cookie" },
    body: JSON.stringify({ formFields }),
  });
  assert.equal((await answer.json()).status, "OK");
  const session = answer.headers.getSetCookie().filter((cookie) => /^s(Access|Refresh)Token=/.test(cookie));
  assert.equal(session.length, 2);
  for (const cookie of session) assert.match(cookie, /Expires=/);
});
