// What the tests of the demo do in a browser.

/** Enters the site at `base` as a demo user, and waits until the timeline is live. */
export async function asDemoUser(page, base) {
  await page.goto(base);
  await page.getByRole("button", { name: "Try it as a demo user" }).click();
  await page.getByRole("heading", { name: "This session" }).waitFor();
  await page.getByText("live", { exact: true }).waitFor();
}

/** Runs the experiment behind the button of this name; resolves to its evidence. */
export async function run(page, name) {
  await page.getByRole("button", { name, exact: true }).click();
  const evidence = page.locator("[data-evidence]");
  await evidence.waitFor();
  return evidence;
}
