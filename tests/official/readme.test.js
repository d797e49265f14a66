// Every command of the README, as a stranger would paste it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startSite } from "./site.js";

const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const commands = [...read("README.md").matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block]) => block.trim());
const rootKey = "root-key-of-this-test";
let site;
before(async () => {
  site = await startSite({ EMBEDDED_FAUNA_ROOT_KEY: rootKey });
});
after(() => site?.stop());

/** What the shell prints. */
function run(command, environment = {}) {
  return execFileSync("bash", ["-euc", command], { encoding: "utf8", env: { ...process.env, ...environment } });
}

test("the commands for a terminal work in their order", () => {
  const curls = commands.filter((command) => command.startsWith("curl"));
  assert.equal(curls.length, 2);
  const [signUp, comment] = curls.map((command) => command.replaceAll("localhost:3000", new URL(site.base).host));
  const answer = run(signUp);
  assert.match(answer, /"status":"OK"/);
  const [, TOKEN] = answer.match(/^st-access-token: (\S+)/m);
  assert.match(run(comment, { TOKEN }), /"text":"Hello"/);
});

test("the schema is installed and the key printed", () => {
  const [command] = commands.filter((command) => command.includes("schema apply"));
  const here = command
    .replace(/FAUNA_ENDPOINT=\S+/, `FAUNA_ENDPOINT=${site.fauna}`)
    .replace(/FAUNA_SECRET=\S+/, `FAUNA_SECRET=${rootKey}`)
    .replace("cargo run --", `"${process.env.SITE_BINARY}"`);
  assert.match(run(here), /FAUNA_SECRET=fnA/);
});

test("the rest is what CI runs, or what this site was started with", () => {
  const ci = read(".ci/run");
  const rest = commands.filter((command) => !command.startsWith("curl") && !command.includes("schema apply"));
  for (const command of rest.filter((command) => command !== "cargo run")) {
    assert.ok(ci.split("\n").includes(command), `CI does not run: ${command}`);
  }
});
