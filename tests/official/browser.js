// Debian's Chromium without a window, talking to nobody but the site.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Runs `work` with a browser that knows nobody yet, and closes it whatever happens. */
export async function inBrowser(work, { args = [], ...options } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "browser-"));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...FLAGS, ...args],
    ...options,
  });
  browser.setDefaultTimeout(10_000);
  try {
    return await work(browser);
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Fails the test when a page's script fails or the browser refuses something (Content-Security-Policy). */
export function watch(page) {
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (line) => {
    if (line.type() === "error" && !line.text().includes("Failed to load resource")) faults.push(line.text());
  });
  return faults;
}
