// The blocks of README.md and docs/fauna.md as you would paste them. tests/doors.rs runs those under "Add a handler" and
// "Add a collection", tests/docs.rs checks the rest.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { inBrowser } from "./browser.js";
import { serveFrontend } from "./frontend.js";
import { startSite } from "./site.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const blocks = (name, language) =>
  [...read(name).matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(([, block]) => block.trim());
const commands = blocks("README.md", "sh");

let site, frontend, directory, page;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), "readme-"));
  frontend = await serveFrontend("");
  site = await startSite({
    DATA_DIR: directory,
    WEBSITE_DOMAIN: frontend.origin,
    ACCESS_FAUNADB_TOKEN_FROM_FRONTEND: "true",
  });
  await frontend.stop();
});
after(async () => {
  await page?.stop();
  await site?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const rootKey = () => readFileSync(join(directory, "embedded-fauna-root-key"), "utf8").trim();

/** What the shell prints. */
function run(command, environment = {}) {
  const binary = command.replace(/cargo run( --)?/, `"${process.env.SITE_BINARY}"`);
  return execFileSync("bash", ["-euc", binary], { encoding: "utf8", env: { ...process.env, ...environment } });
}

/** A block with the addresses of this site instead of the usual ones. */
function here(block) {
  return block
    .replaceAll("localhost:3000", new URL(site.base).host)
    .replaceAll(/domain: "127\.0\.0\.1", port: 8443/g, `domain: "127.0.0.1", port: ${new URL(site.fauna).port}`);
}

test("the commands for a terminal work in their order", () => {
  const both = commands.filter((command) => command.includes("curl"));
  assert.equal(both.length, 2);
  assert.match(run(here(both.join("\n"))), /"text":"Hello"/);
});

test("users are listed beside a running site", () => {
  const [command] = commands.filter((command) => command.includes("users list"));
  const listen = new URL(site.fauna).host;
  assert.match(run(command, { DATA_DIR: directory, EMBEDDED_FAUNA_LISTEN: listen }), /"zoe@example\.com"/);
});

test("the schema is installed and the key printed", () => {
  for (const document of ["README.md", "docs/fauna.md"]) {
    const [command] = blocks(document, "sh").filter((command) => command.includes("schema apply"));
    const elsewhere = command
      .replace(/FAUNA_ENDPOINT=\S+/, `FAUNA_ENDPOINT=${site.fauna}`)
      .replace(/FAUNA_SECRET=\S+/, `FAUNA_SECRET=${rootKey()}`);
    assert.match(run(elsewhere), /FAUNA_SECRET=fnA/);
  }
});

test("a script with the root key sees the users", () => {
  const [script] = blocks("docs/fauna.md", "js");
  const placed = here(script).replace('"data/embedded-fauna-root-key"', JSON.stringify(join(directory, "embedded-fauna-root-key")));
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", placed], { cwd: HERE, encoding: "utf8" });
  assert.match(output, /zoe@example\.com/);
});

test("a frontend of one's own signs up, and asks Fauna from the browser", async () => {
  const scripts = blocks("README.md", "js").map(here);
  assert.equal(scripts.length, 2);
  const isImport = (line) => line.startsWith("import ");
  const imports = new Set(scripts.flatMap((script) => script.split("\n").filter(isImport)));
  const body = (script) => script.split("\n").filter((line) => !isImport(line)).join("\n");
  const init = body(scripts.find((script) => script.includes("SuperTokens.init")));
  const query = body(scripts.find((script) => script.includes("faunadb.Client")));
  page = await serveFrontend(`${[...imports].join("\n")}
    ${init}
    window.signUp = (formFields) => EmailPassword.signUp({ formFields });
    window.like = async (commentId) => { ${query}; return likes; };
    window.comment = async (text) => {
      const headers = { "content-type": "application/json" };
      const response = await fetch("${site.base}/api/comments", { method: "POST", headers, body: JSON.stringify({ text }) });
      return (await response.json()).id;
    };`, Number(new URL(frontend.origin).port));
  await inBrowser(async (browser) => {
    const tab = await browser.newPage();
    await tab.goto(page.origin);
    const fields = [{ id: "email", value: "ben@example.com" }, { id: "password", value: "correct horse 1" }];
    assert.equal((await tab.evaluate((fields) => window.signUp(fields), fields)).status, "OK");
    const id = await tab.evaluate(() => window.comment("from my frontend"));
    assert.equal(await tab.evaluate((id) => window.like(id), id), 1);
  });
});

test("the rest is what CI runs, what tests/doors.rs runs, or what this site was started with", () => {
  const ci = read(".ci/run").split("\n");
  const elsewhere = /curl|^cp |^cargo run|schema apply/;
  for (const command of commands.filter((command) => !elsewhere.test(command))) {
    assert.ok(ci.includes(command), `CI does not run: ${command}`);
  }
});
