// The site's own pages, walked through as a visitor does: with and without JavaScript, in two tabs, with access tokens that
// end after seconds.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser, watch } from "./browser.js";
import { newAddress, PASSWORD, signIn, signUp } from "./people.js";
import { startSite } from "./site.js";

const ACCESS_TOKEN_LIFETIME_S = 3;

let site;
before(async () => {
  site = await startSite({ ACCESS_TOKEN_LIFETIME_S: String(ACCESS_TOKEN_LIFETIME_S) });
});
after(() => site?.stop());

/** Signs up with the form; ends up where `then` says. */
async function signUpByForm(page, then = "/", base = site.base) {
  await page.goto(`${base}/auth?show=signup&redirectToPath=${encodeURIComponent(then)}`);
  await page.getByLabel("E-mail address").fill(newAddress());
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Create account" }).click();
  await page.waitForURL(base + then);
}

async function post(page, text) {
  await page.getByLabel("Your comment").fill(text);
  await page.getByRole("button", { name: "Post" }).click();
  return commentOf(page, text);
}

async function commentOf(page, text) {
  const comment = page.getByRole("listitem").filter({ hasText: text });
  await comment.waitFor();
  return comment;
}

const likeOf = (comment) => comment.getByRole("button", { name: /Like the comment/ });
const likes = async (comment) => [await comment.locator("[data-likes]").innerText(), await likeOf(comment).getAttribute("aria-pressed")];
const accessTokenEnds = (page) => page.waitForTimeout(ACCESS_TOKEN_LIFETIME_S * 1000 + 100);

/** Counts the refreshes that pages of this browser ask for. */
function countRefreshes(browser) {
  let count = 0;
  browser.on("request", (request) => {
    if (new URL(request.url()).pathname.startsWith("/auth/session/refresh")) count += 1;
  });
  return () => count;
}

for (const javaScriptEnabled of [true, false]) {
  test(`the whole visit, JavaScript ${javaScriptEnabled ? "on" : "off"}`, () =>
    inBrowser(
      async (browser) => {
        const page = await browser.newPage();
        const faults = watch(page);
        await page.goto(site.base);
        await page.getByRole("link", { name: "Create an account" }).first().click();

        const email = newAddress();
        await page.getByLabel("E-mail address").fill(email);
        await page.getByLabel("Password").fill("short");
        await page.getByRole("button", { name: "Create account" }).click();
        assert.match(await page.title(), /^Error: /);
        assert.equal(await page.getByLabel("E-mail address").inputValue(), email);
        assert.equal(await page.getByLabel("Password").inputValue(), "");
        assert.equal(await page.getByLabel("Password").getAttribute("aria-invalid"), "true");
        await page.getByLabel("Password").fill(PASSWORD);
        await page.getByRole("button", { name: "Create account" }).click();
        await page.waitForURL(`${site.base}/`);

        const comment = await post(page, `<b>Hello</b> & welcome, ${email}`);
        await likeOf(comment).click();
        await comment.locator("[aria-pressed=true]").waitFor();
        assert.deepEqual(await likes(comment), ["1", "true"]);

        const token = page.locator("[data-token]");
        const first = await token.innerText();
        await page.getByRole("button", { name: "Refresh now" }).click();
        await token.filter({ hasNotText: first }).waitFor();

        await page.getByRole("link", { name: "Account" }).click();
        await page.getByText(email).waitFor();
        await page.getByRole("button", { name: "Sign out", exact: true }).first().click();
        await page.getByText("You are signed out.").waitFor();
        await page.goto(`${site.base}/account`);
        assert.equal(new URL(page.url()).pathname, "/auth");
        assert.deepEqual(faults, []);
      },
      { javaScriptEnabled },
    ));
}

test("without JavaScript an ended access token is renewed on the way, forms included", () =>
  inBrowser(
    async (browser) => {
      const page = await browser.newPage();
      await signUpByForm(page);
      await accessTokenEnds(page);
      await page.goto(`${site.base}/account`);
      assert.equal(page.url(), `${site.base}/account`);
      await page.goto(site.base);
      await accessTokenEnds(page);
      const comment = await post(page, "posted with an ended access token");
      await accessTokenEnds(page);
      await comment.getByText("Delete", { exact: false }).first().click();
      await comment.getByRole("button", { name: "Delete comment" }).click();
      await comment.waitFor({ state: "detached" });
    },
    { javaScriptEnabled: false },
  ));

test("a like with an ended access token refreshes once, also when two tabs do it at once", () =>
  inBrowser(async (browser) => {
    const refreshes = countRefreshes(browser);
    const author = await signUp(site.base);
    const text = `liked from two tabs ${author.email}`;
    await author.call("/api/comments", { method: "POST", body: { text } });
    const one = await browser.newPage();
    await signUpByForm(one);
    const other = await browser.newPage();
    await other.goto(site.base);

    await accessTokenEnds(one);
    const [before, mine, same] = [refreshes(), await commentOf(one, text), await commentOf(other, text)];
    await Promise.all([likeOf(mine).click(), likeOf(same).click()]);
    for (const page of [one, other]) await page.locator("[aria-pressed=true]").waitFor();
    assert.deepEqual([await likes(mine), await likes(same)], [["1", "true"], ["1", "true"]]);
    assert.equal(refreshes() - before, 1);
  }));

test("signing out in one tab is seen in the other", () =>
  inBrowser(async (browser) => {
    const one = await browser.newPage();
    await signUpByForm(one, "/account");
    const other = await browser.newPage();
    await other.goto(`${site.base}/account`);
    await one.getByRole("button", { name: "Sign out", exact: true }).first().click();
    await other.waitForURL(/\/auth/);
  }));

test("a page signs out other devices", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await signUpByForm(page, "/account");
    const elsewhere = await signIn(site.base, await page.getByText("@example.com").innerText());
    await page.reload();
    const button = page.getByRole("button", { name: "Sign out everywhere else" });
    await button.click();
    await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere else" }).click();
    await button.waitFor({ state: "detached" });
    await assert.rejects(elsewhere.call("/sessioninfo"), /401/);
    assert.equal(page.url(), `${site.base}/account`);
  }));

test("scripts send the anti-CSRF token where the site asks for one", async () => {
  const strict = await startSite({ ANTI_CSRF: "VIA_TOKEN", ACCESS_TOKEN_LIFETIME_S: String(ACCESS_TOKEN_LIFETIME_S) });
  try {
    await inBrowser(async (browser) => {
      const page = await browser.newPage();
      await signUpByForm(page, "/", strict.base);
      const comment = await post(page, "liked with a token");
      await likeOf(comment).click();
      await comment.locator("[aria-pressed=true]").waitFor();
      await accessTokenEnds(page);
      await likeOf(comment).click();
      await comment.locator("[aria-pressed=false]").waitFor();
      assert.equal(page.url(), `${strict.base}/`);
    });
  } finally {
    await strict.stop();
  }
});
