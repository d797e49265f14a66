// A website of its own, on another port than the site, with published frontend packages in it.

import { createServer } from "node:http";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/**
 * Serves one page whose script is `source` (JSX allowed), bundled with the packages it imports.
 * Resolves to `{origin, stop}`. `port` 0 takes a free one.
 */
export async function serveFrontend(source, port = 0) {
  const bundle = await build({
    stdin: { contents: source, resolveDir: HERE, loader: "jsx" },
    bundle: true,
    write: false,
    format: "iife",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"', global: "window" },
    logLevel: "error",
  });
  const page = '<!doctype html><html lang="en"><title>Frontend</title><div id="root"></div><script src="/bundle.js"></script>';
  const server = createServer((request, response) => {
    const isBundle = request.url === "/bundle.js";
    response.setHeader("content-type", isBundle ? "text/javascript; charset=utf-8" : "text/html; charset=utf-8");
    response.end(isBundle ? bundle.outputFiles[0].text : page);
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    origin: `http://localhost:${server.address().port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
