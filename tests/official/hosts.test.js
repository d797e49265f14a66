// The settings for Vercel and Netlify in examples/static_hosts: a browser signs in through a host that forwards as they say.
// The hosts' own software is not run; their rules are: "/a/:path*" and "/a/*" match everything below /a, the rest is literal.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { once } from "node:events";
import { test } from "node:test";
import { inBrowser, watch } from "./browser.js";
import { newAddress, PASSWORD } from "./people.js";
import { freePorts, startSite } from "./site.js";

const read = (name) => readFileSync(new URL(`../../examples/static_hosts/${name}`, import.meta.url), "utf8");
const BACKEND = "https://api.example.com";

/** `[pattern, target]`, the rest of a path being `*` in both. */
const HOSTS = {
  vercel: () => JSON.parse(read("vercel.json")).rewrites.map(({ source, destination }) =>
    [source, destination].map((path) => path.replace(":path*", "*"))),
  netlify: () => read("netlify.toml").split("[[redirects]]").slice(1).map((rule) => {
    const value = (name) => rule.match(new RegExp(`^${name} = "(.*)"$`, "m"))[1];
    assert.match(rule, /^status = 200$/m);
    return [value("from"), value("to").replace(":splat", "*")];
  }),
};

/** The path at the backend, or undefined: the host answers itself. */
function forwarded(rules, path) {
  for (const [pattern, target] of rules) {
    assert.ok(target.startsWith(BACKEND), target);
    const own = target.slice(BACKEND.length);
    if (pattern === path) return own;
    if (pattern.endsWith("/*") && path.startsWith(pattern.slice(0, -1))) return own.replace("*", path.slice(pattern.length - 1));
  }
}

async function startHost(rules, port, backend) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://host");
    const path = forwarded(rules, url.pathname);
    if (path === undefined) return response.end(`<!doctype html><title>Frontend</title><h1>${url.pathname}</h1>`);
    const { method, headers } = request;
    const onward = ask({ port: backend, path: path + url.search, method, headers: { ...headers, host: `127.0.0.1:${backend}` } });
    onward.on("response", (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.headers)));
    request.pipe(onward);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

for (const [name, rules] of Object.entries(HOSTS)) {
  test(`${name}: sign up and use the API at the frontend's address`, async () => {
    const [port, backend] = await freePorts(2);
    const origin = `http://localhost:${port}`;
    const site = await startSite({ LISTEN: `127.0.0.1:${backend}`, API_DOMAIN: origin, WEBSITE_DOMAIN: origin });
    const host = await startHost(rules(), port, backend);
    try {
      await inBrowser(async (browser) => {
        const page = await browser.newPage();
        const faults = watch(page);
        await page.goto(`${origin}/`);
        assert.equal(await page.title(), "Frontend");
        await page.goto(`${origin}/auth?show=signup&redirectToPath=/account`);
        await page.getByLabel("E-mail address").fill(newAddress());
        await page.getByLabel("Password").fill(PASSWORD);
        await page.getByRole("button", { name: "Create account" }).click();
        await page.waitForURL(`${origin}/account`);
        const status = await page.evaluate(() => fetch("/api/user").then((answer) => answer.status));
        assert.equal(status, 200);
        const keys = await page.evaluate(() => fetch("/auth/jwt/jwks.json").then((answer) => answer.json()));
        assert.ok(keys.keys.length > 0);
        const cookies = await browser.cookies();
        assert.ok(cookies.every((cookie) => cookie.domain === "localhost"), JSON.stringify(cookies));
        await page.goto(`${origin}/account/settings`);
        assert.equal(new URL(page.url()).pathname, "/account/settings");
        assert.deepEqual(faults, []);
      });
    } finally {
      host.closeAllConnections();
      host.close();
      await site.stop();
    }
  });
}
