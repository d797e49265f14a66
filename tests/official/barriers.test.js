// Every page and state of a page, in both themes and at two widths: no barrier (axe-core), no horizontal scrolling, and not
// too much HTML.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { inBrowser } from "./browser.js";
import { asDemoUser, run } from "./demo.js";
import { startSite } from "./site.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let site;
before(async () => {
  site = await startSite({ INSECURE_NO_THROTTLE: "true" });
});
after(() => site?.stop());

for (const colorScheme of ["light", "dark"]) {
  for (const width of [360, 1280]) {
    test(`no page has a barrier, ${colorScheme}, ${width} px`, () =>
      inBrowser(
        async (browser) => {
          const page = await browser.newPage();
          const check = async (what) => {
            await page.evaluate(AXE);
            const { violations } = await page.evaluate(() => window.axe.run());
            const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
            assert.deepEqual(told, [], what);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            assert.ok(wide <= 0, `${what} is ${wide} px too wide`);
            const html = Buffer.byteLength(await (await page.request.get(page.url())).text());
            assert.ok(html <= 30_000, `${what} has ${html} bytes`);
          };
          /** Checks the page that answers a form, sent as a browser without scripts does. */
          const checkAnswer = async (what, status, path, fields) => {
            await page.goto(`${site.base}/cookies`);
            const answer = page.waitForNavigation();
            await page.evaluate(([action, fields]) => {
              const form = Object.assign(document.createElement("form"), { method: "post", action });
              for (const [name, value] of Object.entries(fields)) {
                form.append(Object.assign(document.createElement("textarea"), { name, value }));
              }
              document.body.append(form);
              form.submit();
            }, [path, fields]);
            assert.equal((await answer).status(), status, what);
            await check(what);
          };
          const open = ["/", "/auth", "/auth?show=signup", "/auth/reset-password", "/auth/reset-password?token=x", "/auth/verify-email",
            "/auth/verify-email?token=x", "/auth/complete-sign-up?token=x", "/cookies", "/api/docs", "/dev/mailbox", "/no-such-page",
            "/?after=x"];
          for (const path of open) {
            await page.goto(site.base + path);
            await check(path);
          }
          await page.goto(`${site.base}/auth?show=signup`);
          await page.getByRole("button", { name: "Create account" }).click();
          await page.getByText("Enter your password.").waitFor();
          await check("sign-up with mistakes");
          await page.goto(`${site.base}/auth`);
          await page.getByLabel("E-mail address").fill("ada@example.com");
          await page.getByLabel("Password").fill("not it 99");
          await page.getByRole("button", { name: "Sign in" }).click();
          await page.getByText("Wrong e-mail address or password.").waitFor();
          await page.waitForFunction(() => document.activeElement.id === "password");
          await check("sign-in with a mistake");
          await page.goto(`${site.base}/api/docs`);
          await page.locator("details").nth(1).locator("summary").click();
          await check("/api/docs with an open operation");
          await page.goto(`${site.base}/auth/reset-password`);
          await page.getByLabel("E-mail address").fill("ada@example.com");
          await page.getByRole("button", { name: "Send link" }).click();
          await page.getByText("a message is on its way").waitFor();
          await check("a link was asked for");
          await page.goto(`${site.base}/dev/mailbox`);
          await check("/dev/mailbox with a message");
          await page.getByRole("link", { name: "Open the link" }).first().click();
          await page.getByRole("heading", { name: "Choose a new password" }).waitFor();
          await check("choose a new password");
          await page.getByLabel("New password", { exact: true }).fill("long-horse-1");
          await page.getByRole("button", { name: "Change password" }).click();
          await page.getByText("The two passwords differ.").waitFor();
          assert.equal(await page.evaluate(() => document.activeElement.id), "password", "both are to be typed again");
          await check("another password with a mistake");
          await asDemoUser(page, site.base);
          await check("/ signed in");
          await page.locator("[data-timeline] summary").first().click();
          await page.locator("[data-devices]").getByRole("button", { name: "Sign out everywhere" }).click();
          await check("/ with an open entry and a question");
          await page.getByRole("button", { name: "Cancel" }).click();
          for (const path of ["/sign-out-everywhere", "/account/sessions/end-others", "/account/sessions/x/end"]) {
            await checkAnswer(`${path} asks without scripts`, 200, path, { ask: "yes", redirectToPath: "/" });
          }
          await page.goto(site.base);
          const others = await page.locator("form[data-like]").first().getAttribute("data-like");
          await checkAnswer("403", 403, `/comments/${others}/delete`, {});
          await checkAnswer("404", 404, "/comments/1/like", {});
          await checkAnswer("405", 405, "/cookies", {});
          await checkAnswer("413", 413, "/comments", { text: "x".repeat(70_000) });
          await page.goto(site.base);
          await page.getByText("live", { exact: true }).waitFor();
          await run(page, "Ask");
          await check("/ with evidence");
          await page.getByLabel("Your comment").fill("x".repeat(1001));
          await page.getByRole("button", { name: "Post" }).click();
          await page.getByText("this one has 1001").waitFor();
          await check("/ with a comment that is too long");
          await page.getByLabel("Your comment").fill(`${"W".repeat(300)} \u0645\u0631\u062d\u0628\u0627`);
          await page.getByRole("button", { name: "Post" }).click();
          await page.locator(".comment summary").first().click();
          await check("/ with a long word and a question");
          for (const path of ["/account", "/account/settings"]) {
            await page.goto(site.base + path);
            await check(path);
          }
          await page.getByRole("button", { name: "Save profile" }).waitFor();
          await page.getByRole("button", { name: "Change password" }).click();
          await page.getByText("Enter your current password.").waitFor();
          await check("settings with mistakes");
          await page.getByRole("button", { name: "Delete account permanently" }).click();
          await page.getByRole("dialog").waitFor();
          await check("settings with a question");
          await page.getByRole("button", { name: "Cancel" }).click();
          await page.goto(site.base);
          await run(page, "Stop");
          await check("/ with evidence of an outage");
          for (const path of ["/", "/account", "/account/settings"]) {
            await page.goto(site.base + path);
            await check(`${path} without Fauna`);
          }
          await checkAnswer("503", 503, `/comments/${others}/like`, {});
          await checkAnswer("503 with what was typed", 503, "/comments", { text: "Not lost" });
          await page.locator(".ask summary", { hasText: "Discard" }).click();
          await check("a question about what was typed");
          await page.goto(site.base);
          await run(page, "Sign out and ask");
          await page.locator("[data-state]").filter({ hasText: "revoking" }).waitFor();
          await check("/ revoking");
          await page.goto(site.base);
          await check("/ without Fauna and signed out");
          await page.getByRole("button", { name: "Start Fauna" }).click();
          await page.getByRole("button", { name: "Try it as a demo user" }).click();
          await page.getByText("live", { exact: true }).waitFor();
          await (await run(page, "Steal it")).getByText("Both sides are out").waitFor();
          await page.locator("[data-state]").filter({ hasText: "dead" }).waitFor();
          await check("/ after a theft");
          await page.locator(".panel").getByRole("link", { name: "Sign in again" }).click();
          await page.getByText("a stolen refresh token was used").waitFor();
          await check("signed out");
        },
        // Pages forbid scripts from elsewhere; axe is one.
        { colorScheme, viewport: { width, height: 800 }, bypassCSP: true },
      ));
  }
}
