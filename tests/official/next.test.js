// The example for Next.js, built and started with the published package: rewrites to the site, and a page that verifies the
// access token on the server.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inBrowser } from "./browser.js";
import { newAddress, PASSWORD } from "./people.js";
import { freePorts, startSite } from "./site.js";

const EXAMPLE = fileURLToPath(new URL("../../examples/nextjs", import.meta.url));
const ACCESS_TOKEN_LIFETIME_S = 4;

let site, next, directory, origin;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "next-"));
  cpSync(EXAMPLE, directory, { recursive: true });
  const [own, backend] = await freePorts(2);
  origin = `http://localhost:${own}`;
  const env = {
    ...process.env,
    NEXT_TELEMETRY_DISABLED: "1",
    BACKEND: `http://127.0.0.1:${backend}`,
    ISSUER: `${origin}/auth`,
  };
  const run = (program, ...args) => execFileSync(program, args, { cwd: directory, env, stdio: ["ignore", "pipe", "inherit"] });
  run("npm", "ci", "--silent", "--ignore-scripts");
  run("npx", "next", "build");
  site = await startSite({
    LISTEN: `127.0.0.1:${backend}`,
    API_DOMAIN: origin,
    WEBSITE_DOMAIN: origin,
    ACCESS_TOKEN_LIFETIME_S: String(ACCESS_TOKEN_LIFETIME_S),
  });
  next = spawn("node", ["node_modules/next/dist/bin/next", "start", "--port", String(own)], { cwd: directory, env, stdio: "ignore" });
  process.once("exit", () => next.kill("SIGKILL"));
  for (let tries = 0; !(await fetch(origin).then((answer) => answer.ok, () => false)); tries += 1) {
    if (tries === 100) throw new Error("Next.js does not answer");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});
after(async () => {
  if (next && next.exitCode === null) {
    next.kill("SIGTERM");
    await once(next, "exit");
  }
  await site?.stop();
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
});

const heading = (page, name) => page.getByRole("heading", { name }).waitFor();

test("sign in through the rewrites, and the server knows the user, until the token is not ours", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    await page.goto(origin);
    await heading(page, "Not signed in");
    await page.goto(`${origin}/auth?show=signup&redirectToPath=%2F`);
    await page.locator("input[name=email]").fill(newAddress());
    await page.locator("input[name=password]").fill(PASSWORD);
    await page.locator("form.card button.main").click();
    await heading(page, /^Signed in as \d+/);
    assert.equal(new URL(page.url()).origin, origin);

    // An expired token: the server sends the page without the user, and its script refreshes.
    await page.waitForTimeout((ACCESS_TOKEN_LIFETIME_S + 1) * 1000);
    const sent = await page.goto(origin);
    assert.match(await sent.text(), /Not signed in/);
    await heading(page, /^Signed in as \d+/);

    // A signature that does not hold is nobody's.
    const { value } = (await browser.cookies(origin)).find((cookie) => cookie.name === "sAccessToken");
    const [head, payload, signature] = value.split(".");
    const forged = [head, payload, signature.replace(/^./, (first) => (first === "A" ? "B" : "A"))].join(".");
    const page2 = await fetch(origin, { headers: { cookie: `sAccessToken=${forged}` } });
    assert.match(await page2.text(), /Not signed in/);
    const genuine = await fetch(origin, { headers: { cookie: `sAccessToken=${value}` } });
    assert.match(await genuine.text(), /Signed in as/);

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.goto(origin);
    await heading(page, "Not signed in");
  }));
