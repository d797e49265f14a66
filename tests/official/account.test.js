// What people do about their accounts on the site's own pages, with and without JavaScript: the visit that react.test.js makes
// with the official interface, and what only our own pages have.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser, watch } from "./browser.js";
import { newAddress, PASSWORD } from "./people.js";
import { startSite } from "./site.js";

let site, hidden;
before(async () => {
  const settings = { EMAIL_VERIFICATION: "REQUIRED", ACCESS_FAUNADB_TOKEN_FROM_FRONTEND: "true", SIGN_UP_FIELDS: "home-town,name?" };
  site = await startSite(settings);
  hidden = await startSite({ HIDE_EXISTING_ACCOUNTS: "true" });
});
after(async () => {
  await site?.stop();
  await hidden?.stop();
});

/** The link in the newest mail to that address. */
async function mailedLink({ base }, to) {
  const answer = await fetch(`${base}/dev/mailbox`, { headers: { accept: "application/json" } });
  return (await answer.json()).mails.find((mail) => mail.to === to && mail.link).link;
}

async function signUp(page, email, password) {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Create account" }).click();
}

async function signIn(page, email, password) {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** The session's Fauna token, from the access token in the cookie jar: without JavaScript no page can tell it. */
async function faunaToken(browser) {
  const cookie = (await browser.cookies(site.base)).find((cookie) => cookie.name === "sAccessToken");
  return JSON.parse(Buffer.from(cookie.value.split(".")[1], "base64url").toString()).faunadbToken;
}

async function accepts(token) {
  const headers = { authorization: `Bearer ${token}`, "x-faunadb-api-version": "4" };
  const answer = await fetch(site.fauna, { method: "POST", headers, body: '{"now":null}' });
  return answer.status === 200;
}

for (const javaScriptEnabled of [true, false]) {
  const mode = `JavaScript ${javaScriptEnabled ? "on" : "off"}`;

  test(`sign up, verify, sign out, reset, sign in, like, sign out, ${mode}`, () =>
    inBrowser(
      async (browser) => {
        const page = await browser.newPage();
        const faults = watch(page);
        const email = newAddress();
        await page.goto(`${site.base}/auth?show=signup`);
        await signUp(page, email, "short");
        await page.locator(".mistake", { hasText: "Use 8 to 99 characters, with at least one letter and one digit." }).waitFor();
        assert.equal(await page.getByLabel("Home town").getAttribute("aria-invalid"), "true");
        await page.getByLabel("Home town").fill("Ulm");
        await signUp(page, email, PASSWORD);
        await page.waitForURL(`${site.base}/`);

        await page.goto(`${site.base}/auth/verify-email`);
        await page.getByRole("button", { name: "Send link" }).click();
        await page.getByText("A message is on its way.").waitFor();
        await page.goto(await mailedLink(site, email));
        if (!javaScriptEnabled) await page.getByRole("button", { name: "Confirm" }).click();
        await page.getByText("Your e-mail address is confirmed.").waitFor();

        await page.goto(`${site.base}/account`);
        await page.getByRole("button", { name: "Sign out", exact: true }).first().click();
        await page.getByText("You are signed out.").waitFor();
        await page.getByRole("link", { name: "Forgot your password?" }).click();
        await page.getByLabel("E-mail address").fill(email);
        await page.getByRole("button", { name: "Send link" }).click();
        await page.getByText("a message is on its way").waitFor();
        await page.goto(await mailedLink(site, email));
        await page.getByLabel("New password", { exact: true }).fill("new-horse-2");
        await page.getByLabel("Repeat new password").fill("new-horse-2");
        await page.getByRole("button", { name: "Change password" }).click();
        await page.getByText("The password is changed").waitFor();

        await signIn(page, email, PASSWORD);
        await page.getByText("Wrong e-mail address or password.").waitFor();
        await signIn(page, email, "new-horse-2");
        await page.waitForURL(`${site.base}/`);
        await page.getByLabel("Your comment").fill(`Hello from ${email}`);
        await page.getByRole("button", { name: "Post" }).click();
        const comment = page.getByRole("listitem").filter({ hasText: `Hello from ${email}` });
        await comment.getByRole("button", { name: /Like the comment/ }).click();
        await comment.locator("[aria-pressed=true]").waitFor();

        const token = await faunaToken(browser);
        assert.equal(await accepts(token), true);
        await page.goto(`${site.base}/account`);
        await page.getByRole("button", { name: "Sign out", exact: true }).first().click();
        await page.getByText("You are signed out.").waitFor();
        assert.equal(await accepts(token), false);
        assert.deepEqual(faults, []);
      },
      { javaScriptEnabled },
    ));

  test(`another password, another address, the end of an account, ${mode}`, () =>
    inBrowser(
      async (browser) => {
        const page = await browser.newPage();
        const faults = watch(page);
        const [email, other] = [newAddress(), newAddress()];
        await page.goto(`${site.base}/auth?show=signup&redirectToPath=/account/settings`);
        await page.getByLabel("Home town").fill("Ulm");
        await signUp(page, email, PASSWORD);
        await page.waitForURL(`${site.base}/account/settings`);
        const form = (name) => page.getByRole("form", { name });

        await form("Change password").getByLabel("Current password").fill(PASSWORD);
        await form("Change password").getByLabel("New password").fill("new-horse-2");
        await form("Change password").getByRole("button", { name: "Change password" }).click();
        await page.getByText("The password is changed.").waitFor();

        await form("Change e-mail address").getByLabel("New e-mail address").fill(other);
        await form("Change e-mail address").getByLabel("Current password").fill("new-horse-2");
        await form("Change e-mail address").getByRole("button", { name: "Change e-mail address" }).click();
        await page.getByText("We have sent a message to the new address.").waitFor();
        await page.goto(await mailedLink(site, other));
        if (!javaScriptEnabled) await page.getByRole("button", { name: "Confirm" }).click();
        await page.getByText("Your e-mail address is confirmed.").waitFor();
        await page.goto(`${site.base}/account`);
        await page.getByText(other).first().waitFor();

        await page.goto(`${site.base}/account/settings`);
        await form("Delete account").getByLabel("Current password").fill("new-horse-2");
        await form("Delete account").getByRole("button", { name: "Delete account permanently" }).click();
        if (javaScriptEnabled) await page.getByRole("dialog").getByRole("button", { name: "Delete account permanently" }).click();
        await page.getByText("The account is deleted").waitFor();
        await signIn(page, other, "new-horse-2");
        await page.getByText("Wrong e-mail address or password.").waitFor();
        assert.deepEqual(faults, []);
      },
      { javaScriptEnabled },
    ));

  test(`a sign-up that a mailed link completes, ${mode}`, () =>
    inBrowser(
      async (browser) => {
        const page = await browser.newPage();
        const faults = watch(page);
        const email = newAddress();
        await page.goto(`${hidden.base}/auth?show=signup`);
        await signUp(page, email, PASSWORD);
        await page.getByText("we have sent a message to this address").waitFor();
        await page.goto(await mailedLink(hidden, email));
        await page.getByLabel("Password").fill("not it 99");
        await page.getByRole("button", { name: "Create account" }).click();
        await page.getByText("This is not the password that you signed up with").waitFor();
        await page.getByLabel("Password").fill(PASSWORD);
        await page.getByRole("button", { name: "Create account" }).click();
        await page.waitForURL(`${hidden.base}/`);
        assert.deepEqual(faults, []);
      },
      { javaScriptEnabled },
    ));
}
