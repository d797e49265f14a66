// What somebody sees in a terminal after `cargo run`: one block with what matters, and no log lines of the start.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/** What the site prints on a terminal, until its block is complete. */
async function startOnTerminal(directory) {
  // The last one is a variable of the test, whose name looks like that of a setting.
  const { LOG, LOG_FORMAT, FAUNA_BINARY, ...env } = process.env;
  // script (util-linux) gives a program a terminal.
  const site = spawn("script", ["-qefc", `exec ${process.env.SITE_BINARY}`, "/dev/null"], {
    cwd: directory,
    env: { ...env, LISTEN: "127.0.0.1:0", EMBEDDED_FAUNA_LISTEN: "127.0.0.1:0", DATA_DIR: directory },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let printed = "";
  for await (const chunk of site.stdout) {
    printed += chunk;
    if (/^ {2}Data .*\r?\n/m.test(printed)) break;
  }
  site.kill();
  return printed.replaceAll("\r", "");
}

test("the start prints one block: site, demo accounts, mailbox, API, Fauna, data", async () => {
  const directory = mkdtempSync(join(tmpdir(), "terminal-"));
  try {
    const lines = (await startOnTerminal(directory)).split("\n").filter((line) => line.trim());
    const address = "http://(localhost|127\\.0\\.0\\.1):\\d+";
    const expected = [
      `^ {2}Site +${address}$`,
      "^ {2}Demo +ada@example\\.com, grace@example\\.com, password demo-password-1$",
      `^ {2}Mailbox +${address}/dev/mailbox$`,
      `^ {2}API +${address}/api/docs$`,
      `^ {2}Fauna +${address}$`,
      "^ {2}Data +/.+$",
    ];
    assert.equal(lines.length, expected.length, lines.join("\n"));
    lines.forEach((line, index) => assert.match(line, new RegExp(expected[index])));
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
});
