// Makes the recording of the README, docs/img/demo.png, an animated PNG: from the first visit to a token that is dead.
//
//   tests/official/run recording.js

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import UPNG from "upng-js";
import { inBrowser } from "./browser.js";
import { startSite } from "./site.js";

const FILE = join(dirname(fileURLToPath(import.meta.url)), "../../docs/img/demo.png");
const BYTES_MAX = 400_000;
/** Colours of all frames together: few, because the pages have few. */
const COLOURS = 48;

const frames = [];
const delays = [];
let size;

async function frame(page, milliseconds) {
  const image = UPNG.decode(await page.screenshot());
  size = [image.width, image.height];
  frames.push(UPNG.toRGBA8(image)[0]);
  delays.push(milliseconds);
}

const entry = (page, text) => page.locator("[data-timeline] summary").filter({ hasText: text }).first();
const like = (page, index) => page.getByRole("button", { name: /Like the comment/ }).nth(index);

/** Shows where is clicked before it is. */
async function click(page, button) {
  await button.hover();
  await frame(page, 700);
  await button.click();
}

async function record(page, base) {
  await page.goto(base);
  await frame(page, 2000);
  await click(page, page.getByRole("button", { name: "Try it as a demo user" }));
  await page.getByText("live", { exact: true }).waitFor();
  await page.waitForTimeout(700); // New entries move in, colours fade.
  await frame(page, 1600);
  await click(page, like(page, 0));
  await entry(page, "Comment liked").waitFor();
  await page.waitForTimeout(700);
  await frame(page, 1600);
  await click(page, page.getByRole("button", { name: "Refresh now" }));
  await entry(page, "in grace").waitFor();
  await page.waitForTimeout(900);
  await frame(page, 2200);
  const steal = page.getByRole("button", { name: "Steal it" });
  await steal.evaluate((button) => scrollTo(0, button.getBoundingClientRect().top + scrollY - 160));
  await click(page, steal);
  await page.getByText("Both sides are out").waitFor();
  await page.locator("[data-state]").filter({ hasText: "dead" }).waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForTimeout(900);
  await frame(page, 4000);
}

const site = await startSite({ INSECURE_NO_THROTTLE: "true" });
try {
  await inBrowser(async (browser) => record(await browser.newPage(), site.base), {
    viewport: { width: 1100, height: 700 },
    deviceScaleFactor: 0.8,
    colorScheme: "light",
  });
} finally {
  await site.stop();
}
const bytes = Buffer.from(UPNG.encode(frames, ...size, COLOURS, delays));
if (bytes.length > BYTES_MAX) throw new Error(`the recording has ${bytes.length} bytes; ${BYTES_MAX} are allowed`);
writeFileSync(FILE, bytes);
console.log(`${frames.length} frames, ${bytes.length} bytes in ${FILE}`);
