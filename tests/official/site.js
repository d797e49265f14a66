// A running site of one's own: the built binary on free ports, with a directory that is removed afterwards.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/**
 * Starts the site. `settings` are variables of `.env.example`.
 * Resolves to `{base, fauna, stop}`: where people reach it, where its Fauna is, and how to end it.
 */
export async function startSite(settings = {}) {
  const directory = mkdtempSync(join(tmpdir(), "site-"));
  const site = spawn(process.env.SITE_BINARY, {
    cwd: directory, // not the repository: its .env is the developer's
    env: {
      LISTEN: "127.0.0.1:0",
      EMBEDDED_FAUNA_LISTEN: "127.0.0.1:0",
      DATA_DIR: directory,
      LOG_FORMAT: "json",
      ...settings,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => site.kill("SIGKILL");
  process.once("exit", kill);
  async function stop() {
    process.off("exit", kill);
    if (site.exitCode === null) {
      site.kill("SIGTERM");
      await once(site, "exit");
    }
    rmSync(directory, { recursive: true, force: true });
  }
  try {
    return { ...(await ports(site)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The addresses that the log names. The rest of the log is read, too, or the site would wait for us. */
function ports(site) {
  return new Promise((resolve, reject) => {
    let fauna;
    site.once("exit", (code) => reject(new Error(`the site ended at its start, code ${code}`)));
    createInterface({ input: site.stdout }).on("line", (line) => {
      const { message, endpoint, address, level, cause } = JSON.parse(line);
      if (message === "embedded Fauna listens") fauna = endpoint;
      // "localhost" and not the address: cookies and the allowed origin are those of the name.
      if (message === "the site listens") resolve({ base: address.replace("127.0.0.1", "localhost"), fauna });
      if (level === "ERROR") console.error(`site: ${message} ${cause ?? ""}`);
    });
  });
}

/** Ports that are free at this moment, for what must know its own address before it listens. */
export async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const found = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return found;
}
