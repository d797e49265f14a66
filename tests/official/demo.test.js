// The demo, as somebody sees it who opens the site for the first time: three clicks to a like, a timeline that tells the truth,
// and experiments.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser, watch } from "./browser.js";
import { asDemoUser, run } from "./demo.js";
import { PASSWORD, newAddress, signIn } from "./people.js";
import { startSite } from "./site.js";

let site;
before(async () => {
  site = await startSite({ INSECURE_NO_THROTTLE: "true" });
});
after(() => site?.stop());

const entry = (page, text) => page.locator("[data-timeline] summary").filter({ hasText: text }).first();
const like = (page) => page.getByRole("button", { name: /Like the comment/ }).first();

test("from the first visit to the first like in three clicks", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    const faults = watch(page);
    let requests = 0;
    page.on("request", (request) => {
      requests += 1;
      assert.equal(new URL(request.url()).origin, site.base, "a request to somebody else");
    });
    await page.goto(site.base, { waitUntil: "networkidle" });
    assert.ok(requests <= 8, `${requests} requests for the first page`);
    await page.getByRole("button", { name: "Try it as a demo user" }).click();
    await like(page).click();
    await entry(page, "Comment liked with token").waitFor();
    assert.equal(await like(page).getAttribute("aria-pressed"), "true");
    assert.deepEqual(faults, []);
  }));

test("the keyboard alone leads from the first visit to a like and to the end of the session", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    /** Presses Tab until the element with this name has the focus. */
    const tabTo = async (name) => {
      for (let presses = 0; presses < 60; presses++) {
        await page.keyboard.press("Tab");
        const focused = await page.evaluate(() => {
          const { activeElement: element } = document;
          return element.matches("a, button, summary") ? element.textContent.trim() : "";
        });
        if (name.test(focused)) return;
      }
      assert.fail(`Tab does not reach ${name}`);
    };
    await page.goto(site.base);
    await tabTo(/^Skip to content$/);
    await tabTo(/^Try it as a demo user$/);
    await page.keyboard.press("Enter");
    await page.getByText("live", { exact: true }).waitFor();
    await tabTo(/Like the comment/);
    await page.keyboard.press("Space");
    await page.locator("[aria-pressed=true]").first().waitFor();
    await tabTo(/^Comment liked with token/);
    await page.keyboard.press("Enter");
    await page.locator("[data-timeline] details[open]").first().waitFor();
    await tabTo(/^Sign out everywhere$/);
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Sign out everywhere, this browser included?" });
    await dialog.waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await page.getByText("You are signed out.").waitFor();
  }));

test("a text that was not posted waits for its writer, and nobody else who signs in in that tab sees it", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    const text = page.getByLabel("Your comment");
    await asDemoUser(page, site.base);
    await text.fill("Not for others");
    await page.reload();
    assert.equal(await text.inputValue(), "Not for others");
    await page.getByRole("banner").getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await asDemoUser(page, site.base);
    assert.equal(await text.inputValue(), "");
  }));

test("the timeline tells sign-in, like, refresh and sign-out as they happen, and opens to the exchange", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    await page.locator("[data-session-state]").getByText(/^demo-[0-9a-f]{6}$/).waitFor();
    await entry(page, "Session created").waitFor();
    await entry(page, /Fauna token [0-9a-f]{6} issued/).waitFor();
    await like(page).click();
    const liked = entry(page, "Comment liked with token");
    await liked.click();
    await page.locator("[data-timeline] li[data-id] details[open]").getByText(/src\/comments\/store\.rs:\d+/).waitFor();
    await page.locator("[data-timeline] li[data-id] details[open]").getByText('Call(Function("like")').waitFor();
    const token = await page.locator("[data-token]").innerText();
    await page.getByRole("button", { name: "Refresh now" }).click();
    await entry(page, "Refreshed").waitFor();
    await page.locator("[data-token]").filter({ hasNotText: token }).waitFor();
    await entry(page, `The new tokens are in use; Fauna token ${token} in grace for 30 s`).waitFor();
    const told = await page.locator("[data-timeline] summary").allInnerTexts();
    assert.equal(told.filter((text) => text.startsWith("Comments read")).length, 0, "reads of the page itself are told");
    assert.equal(told.filter((text) => text.includes("Refreshed")).length, 1, "a refresh is told twice");
    await page.locator("[data-devices]").getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByText(/You are signed out\. The session's Fauna token was deleted .*; asked again with it just now: 401\./).waitFor();
  }));

test("a session that is ended on another device is seen within a second, with the reason", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await page.goto(`${site.base}/auth?show=signup`);
    const email = newAddress();
    await page.getByLabel("E-mail address").fill(email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    const handle = await page.evaluate(() => document.documentElement.dataset.session);
    const elsewhere = await signIn(site.base, email);
    await entry(page, "Session created").nth(0).waitFor();
    await elsewhere.call(`/api/sessions/${handle}`, { method: "DELETE" });
    await page.getByText("Your session was ended from another device.").waitFor({ timeout: 1500 });
  }));

test("every experiment keeps its promise", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    const faults = watch(page);
    await asDemoUser(page, site.base);
    await (await run(page, "Ask")).getByText("Fauna refused every one of them.").waitFor();
    const devices = page.locator("[data-devices]");
    await (await run(page, "Sign in")).getByText("Two sessions, two tokens.").waitFor();
    await devices.getByText("Scripted device").waitFor();
    await (await run(page, "Sign it out")).getByText("The device is out at once.").waitFor();
    await devices.getByText("Scripted device").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Expire", exact: true }).click();
    await page.getByText("you stay signed in.").waitFor();
    await entry(page, "Refreshed").waitFor();
    await (await run(page, "Steal it")).getByText("Both sides are out").waitFor();
    await entry(page, "Session ended: a stolen refresh token was used").waitFor();
    await page.locator(".panel").getByRole("link", { name: "Sign in again" }).click();
    await page.getByText(/a stolen refresh token was used.* asked again with it just now: 401\./).waitFor();
    assert.deepEqual(faults, []);
  }));

test("after a theft the timeline tells that both tokens are dead, and the page looks signed out", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    const credentials = page.locator("[data-session-state] dd").filter({ hasText: "@example.com" });
    const [address, password] = (await credentials.innerText()).split(", ");
    const token = await page.locator("[data-token]").innerText();
    await run(page, "Steal it");
    await entry(page, `Fauna token ${token} deleted in Fauna`).waitFor();
    await entry(page, `Token ${token} used once more: 401`).waitFor();
    const deleted = page.locator("[data-timeline] summary").filter({ hasText: "deleted in Fauna" });
    assert.equal(await deleted.count(), 2, "the token of the attacker, too");
    await page.locator(".panel .notice").getByText(/The attacker's Fauna token [0-9a-f]{6} was deleted with it\./).waitFor();
    await page.getByRole("navigation", { name: "Site" }).getByRole("link", { name: "Sign in" }).waitFor();
    assert.equal(await page.getByRole("navigation", { name: "Site" }).getByRole("link", { name: "Account" }).count(), 0);
    for (const button of await page.locator(".app button").all()) assert.ok(await button.isDisabled(), await button.innerText());
    assert.equal(await page.getByText("this browser", { exact: true }).count(), 0);
    assert.equal(await page.getByText("if unused").count(), 0);
    await page.locator(".panel").getByRole("link", { name: "Sign in again" }).click();
    assert.equal(await page.getByLabel("E-mail address").inputValue(), address);
    await page.locator("form .notice").getByText(password).waitFor();
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("[data-session-state]").getByText(address).waitFor();
  }));

test("after a sign-out the timeline tells that the token is dead", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    const token = await page.locator("[data-token]").innerText();
    await run(page, "Sign out and ask");
    await entry(page, new RegExp(`Fauna token ${token} deleted in Fauna, \\d+ ms after the session ended`)).waitFor();
    await entry(page, `Token ${token} used once more: 401`).waitFor();
  }));

test("queries that Fauna refuses are entries of the timeline", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    const evidence = await run(page, "Ask");
    const steps = await evidence.getByText("✓ as expected").count();
    assert.ok(steps >= 7);
    await page.waitForFunction((steps) => {
      const told = [...document.querySelectorAll("[data-timeline] summary")].filter(({ textContent }) => textContent.includes("refused by Fauna"));
      return told.length === steps;
    }, steps);
  }));

test("the second device of an own account asks for the password in place, and a device is signed out with a notice", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await page.goto(`${site.base}/auth?show=signup`);
    await page.getByLabel("E-mail address").fill(newAddress());
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    await (await run(page, "Sign in")).getByLabel("Your password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in on a second device" }).click();
    await page.locator(".experiments").getByText("Two sessions, two tokens.").waitFor();
    assert.equal(new URL(page.url()).pathname, "/", "the page was left");
    await page.locator("[data-devices]").getByRole("button", { name: /^Sign out session/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
    await page.getByText(/^Scripted device is signed out; its Fauna token [0-9a-f]{6} was deleted after \d+ ms\.$/).waitFor();
    await page.goto(site.base);
    assert.equal(await page.getByText("Scripted device is signed out").count(), 0, "the notice comes back");
  }));

test("a comment that is too long is counted while it is typed, and its mistake is in view", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    await page.getByLabel("Your comment").fill("word ".repeat(210));
    await page.getByText("1049 of 1000 characters").waitFor();
    await page.getByRole("button", { name: "Post" }).click();
    const mistake = page.getByText("this one has 1049");
    await mistake.waitFor();
    const { top, bottom } = await mistake.evaluate((element) => element.getBoundingClientRect().toJSON());
    const area = page.getByLabel("Your comment");
    assert.ok(top >= 0 && bottom <= page.viewportSize().height, "the mistake is out of view");
    assert.ok(bottom <= (await area.boundingBox()).y + 1, "the mistake is below the field");
    assert.equal(await area.evaluate((area) => document.activeElement === area && area.getAttribute("aria-invalid")), "true");
    // The page has the address of a form, which is no page to come back to.
    await run(page, "Sign out and ask");
    await page.locator(".panel").getByRole("link", { name: "Sign in again" }).click();
    await page.getByLabel("Password").fill("demo-password-1");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("live", { exact: true }).waitFor();
  }));

test("Fauna is stopped and started: the text is kept, a like says why it failed, and everything catches up", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    await (await run(page, "Stop")).getByText("Sessions live in SQL").waitFor();
    await like(page).click();
    await page.locator("[data-complaint]").first().waitFor();
    await page.getByLabel("Your comment").fill("Not lost");
    await page.getByRole("button", { name: "Post" }).click();
    await page.getByText("Your text is kept").waitFor();
    assert.equal(await page.getByLabel("Your comment").inputValue(), "Not lost");
    const caret = await page.getByLabel("Your comment").evaluate((area) => [document.activeElement === area, area.selectionStart]);
    assert.deepEqual(caret, [true, "Not lost".length]);
    await (await run(page, "Start")).getByText("Everything works again").waitFor();
    await page.getByRole("button", { name: "Post" }).click();
    await page.getByRole("listitem").filter({ hasText: "Not lost" }).first().waitFor();
  }));

test("a token that Fauna could not delete yet is shown as revoking, and as dead once Fauna is back", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    const token = await page.locator("[data-token]").innerText();
    await run(page, "Stop");
    await (await run(page, "Sign out and ask")).getByText("Fauna has not confirmed the deletion.").waitFor();
    const state = page.locator("[data-state]");
    await state.filter({ hasText: "revoking" }).waitFor();
    await page.getByText("The session's Fauna token is being deleted; Fauna does not answer right now.").waitFor();
    // Nobody is signed in: Fauna is started from the first page.
    const other = await browser.newPage();
    await other.goto(site.base);
    await other.getByRole("button", { name: "Start Fauna" }).click();
    await state.filter({ hasText: "dead" }).waitFor();
    await page.locator(".panel .notice").getByText("asked again with it just now: 401.").waitFor();
    assert.equal(await page.locator("[data-tokens] .chip.dead").first().innerText(), token);
  }));

test("where the site allows it, the page reads the user's own document from Fauna, and nothing else", async () => {
  const open = await startSite({ INSECURE_NO_THROTTLE: "true", ACCESS_FAUNADB_TOKEN_FROM_FRONTEND: "true" });
  try {
    await inBrowser(async (browser) => {
      const page = await browser.newPage();
      const faults = watch(page);
      await page.goto(open.base);
      await page.getByRole("button", { name: "Try it as a demo user" }).click();
      await page.getByRole("button", { name: "Read my document" }).click();
      const answer = page.locator("[data-browser-answer]");
      await answer.getByText(/^200 from http/).waitFor();
      await answer.getByText(/"email": "demo-[0-9a-f]{6}@example.com"/).waitFor();
      assert.deepEqual(faults, []);
    });
  } finally {
    await open.stop();
  }
});

test("a text that could not be sent is still there, and one that was posted does not come back", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await asDemoUser(page, site.base);
    const text = page.getByLabel("Your comment");
    await browser.setOffline(true);
    await text.fill("Written in a tunnel");
    await page.getByRole("button", { name: "Post" }).click();
    await browser.setOffline(false);
    await page.goto(site.base);
    assert.equal(await text.inputValue(), "Written in a tunnel");
    await page.getByRole("button", { name: "Post" }).click();
    await page.getByRole("listitem").filter({ hasText: "Written in a tunnel" }).first().waitFor();
    assert.equal(await text.inputValue(), "");
  }));

for (const javaScriptEnabled of [true, false]) {
  test(`a text that is kept can be discarded, ${javaScriptEnabled ? "with" : "without"} JavaScript`, () =>
    inBrowser(
      async (browser) => {
        const page = await browser.newPage();
        const text = page.getByLabel("Your comment");
        await page.goto(site.base);
        await page.getByRole("button", { name: "Try it as a demo user" }).click();
        await run(page, "Stop");
        await page.goto(site.base);
        await text.fill("Not wanted any more");
        await page.getByRole("button", { name: "Post" }).click();
        await page.getByText("Your text is kept").waitFor();
        await page.getByRole("link", { name: "Try again" }).click();
        await page.waitForURL(`${site.base}/`);
        assert.equal(await text.inputValue(), "Not wanted any more");
        await page.locator(".composer summary").click();
        await page.getByRole("button", { name: "Discard text" }).click();
        await page.locator(".composer :placeholder-shown").waitFor();
        await page.goto(site.base);
        assert.equal(await text.inputValue(), "");
        assert.equal(await page.locator(".composer summary").isVisible(), false, "there is nothing to discard");
        await page.getByRole("button", { name: "Start Fauna" }).click();
        await page.goto(site.base);
        await page.getByRole("listitem").first().waitFor();
        assert.equal(await text.inputValue(), "");
      },
      { javaScriptEnabled },
    ));
}

test("without JavaScript the experiments show the same evidence on pages", () =>
  inBrowser(
    async (browser) => {
      const page = await browser.newPage();
      await page.goto(site.base);
      await page.getByRole("button", { name: "Try it as a demo user" }).click();
      await like(page).click();
      await entry(page, "Comment liked with token").waitFor();
      await run(page, "Ask");
      await page.getByText("Fauna refused every one of them.").waitFor();
      await page.getByRole("link", { name: "Back to your session" }).click();
      await run(page, "Sign in");
      await page.getByRole("link", { name: "Back to your session" }).click();
      await page.getByText("Scripted device").first().waitFor();
      await page.getByRole("button", { name: "Sign out everywhere", exact: true }).click();
      await page.getByRole("heading", { name: "Sign out everywhere, this browser included?" }).waitFor();
      await page.getByRole("link", { name: "Cancel" }).click();
      await page.getByLabel("Your comment").fill("Written once");
      await page.getByRole("button", { name: "Post" }).dblclick();
      await page.getByRole("listitem").filter({ hasText: "Written once" }).first().waitFor();
      await page.goto(site.base);
      assert.equal(await page.locator(".comment").filter({ hasText: "Written once" }).count(), 1);
      await run(page, "Steal it");
      await page.getByText("Both sides are out").waitFor();
    },
    { javaScriptEnabled: false },
  ));

test("no secret is in the page, its storage, its console or the event stream", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    const lines = [];
    page.on("console", (line) => lines.push(line.text()));
    await asDemoUser(page, site.base);
    await like(page).click();
    await entry(page, "Comment liked with token").waitFor();
    await run(page, "Ask");
    const stored = await page.evaluate(() => document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage));
    const stream = await page.evaluate(async () => {
      const { value } = await (await fetch("/api/session/events")).body.getReader().read();
      return new TextDecoder().decode(value);
    });
    const seen = [await page.content(), stored, stream, ...lines].join("\n");
    const cookies = (await browser.cookies()).filter(({ httpOnly }) => httpOnly);
    assert.ok(cookies.length >= 2);
    for (const { name, value } of cookies) assert.ok(!seen.includes(value), `${name} is in the page`);
    assert.doesNotMatch(seen, /fn[A-Za-z0-9_-]{20,}/, "what looks like a Fauna secret is in the page");
  }));
