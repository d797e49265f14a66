// Makes the stills of the README, docs/img/*.webp, in both themes: the first screen and the app beside its session.
//
//   tests/official/run screenshots.js

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inBrowser } from "./browser.js";
import { startSite } from "./site.js";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "../../docs/img");
const BYTES_MAX = 200_000;

const site = await startSite({ INSECURE_NO_THROTTLE: "true" });
let bytes = 0;

/** A visible part of the page: what somebody sees first. */
async function picture(page, name) {
  await page.mouse.move(0, 0);
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 78 });
  const image = Buffer.from(data, "base64");
  writeFileSync(join(FOLDER, `${name}.webp`), image);
  bytes += image.length;
}

try {
  mkdirSync(FOLDER, { recursive: true });
  for (const colorScheme of ["light", "dark"]) {
    await inBrowser(
      async (browser) => {
        const page = await browser.newPage();
        await page.goto(site.base);
        await picture(page, `first-screen-${colorScheme}`);
        await page.getByRole("button", { name: "Try it as a demo user" }).click();
        await page.getByText("live", { exact: true }).waitFor();
        await page.getByRole("button", { name: /Like the comment/ }).first().click();
        await page.getByRole("button", { name: "Refresh now" }).click();
        await page.locator("[data-timeline] summary").filter({ hasText: "Refreshed" }).waitFor();
        await page.getByRole("button", { name: /Like the comment/ }).nth(1).click();
        await page.locator("[data-timeline] summary").filter({ hasText: "in grace" }).waitFor();
        await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
        await page.waitForTimeout(700); // Colours fade.
        await picture(page, `session-${colorScheme}`);
      },
      { colorScheme, viewport: { width: 1280, height: 800 } },
    );
  }
} finally {
  await site.stop();
}
if (bytes > BYTES_MAX) throw new Error(`the pictures have ${bytes} bytes together; ${BYTES_MAX} are allowed`);
console.log(`${bytes} bytes in ${FOLDER}`);
