// nginx in front of two processes of the site, with deploy/nginx.conf: TLS, HTTP/2, cookies, the client's address, server-sent
// events, uploads that are too large, and a restart of one process after the other under load.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts, startSite } from "./site.js";

const ROOT = new URL("../..", import.meta.url).pathname;
const ADMIN_KEY = "k".repeat(32);
const directory = mkdtempSync(join(tmpdir(), "nginx-"));
const processes = new Set();
let ports, certificate, settings, sites, postgres;

before(async () => {
  if (!process.env.DATABASE_TEST_URL) postgres = execFileSync(join(ROOT, ".ci/postgres"), ["start"]).toString().trim();
  ports = await freePorts(5);
  certificate = makeCertificate();
  const fauna = await startFauna(ports[4]);
  const origin = `https://localhost:${ports[1]}`;
  settings = {
    APP_ENV: "production",
    API_DOMAIN: origin,
    WEBSITE_DOMAIN: origin,
    TRUSTED_PROXIES: "127.0.0.1",
    DATABASE_URL: process.env.DATABASE_TEST_URL ?? postgres,
    SEAL_KEYS: `k1:${randomBytes(32).toString("base64url")}`,
    INSECURE_NO_MAIL_IN_PRODUCTION: "true",
    EMAIL_VERIFICATION: "OFF",
    ADMIN_API_KEY: ADMIN_KEY,
    ...fauna,
  };
  sites = [await start(ports[2]), await start(ports[3])];
  await startNginx();
});

after(async () => {
  for (const site of sites ?? []) await site.stop();
  for (const child of processes) await stop(child);
  if (postgres) execFileSync(join(ROOT, ".ci/postgres"), ["stop"]);
  rmSync(directory, { recursive: true, force: true });
});

test("browsers speak HTTP/2 over TLS and get cookies that only this host can set", async () => {
  const client = connect();
  const answer = await signUp(client);
  assert.equal(client.alpnProtocol, "h2");
  const names = answer.cookies.map((cookie) => cookie.split("=")[0]);
  assert.ok(names.includes("__Host-sAccessToken"), names.join());
  assert.ok(names.includes("__Secure-sRefreshToken"), names.join());
  for (const cookie of answer.cookies) assert.match(cookie, /; Secure/);
  client.close();
});

test("the address of the client is what nginx says, not what the client says", async () => {
  const client = connect();
  const statuses = [];
  for (let attempt = 0; attempt < 30; attempt++) {
    const headers = { authorization: "Bearer wrong", "x-forwarded-for": `203.0.113.${attempt}` };
    statuses.push((await request(client, "GET", "/api/admin/users", { headers })).status);
  }
  assert.ok(statuses.includes(429), `a forged address got around the limit: ${statuses}`);
  client.close();
});

test("plain HTTP leads to the site, whatever host the client names", async () => {
  const socket = net.connect(ports[0], "127.0.0.1");
  socket.end("GET /account HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  const chunks = await socket.toArray();
  assert.match(Buffer.concat(chunks).toString(), new RegExp(`^HTTP/1.1 308 [^]*\r\nLocation: https://localhost:${ports[1]}/account\r\n`));
});

test("uploads that are too large are refused by the site in its own words, and by nginx before they reach it", async () => {
  const client = connect();
  const headers = { "content-type": "application/json" };
  const upload = (bytes) => ({ headers, body: JSON.stringify({ text: "x".repeat(bytes) }) });
  const told = await request(client, "POST", "/auth/signin", upload(80 * 1024));
  assert.equal(told.status, 413);
  assert.match(told.text, /65536/);
  const direct = await fetch(`http://127.0.0.1:${ports[2]}/auth/signin`, { method: "POST", ...upload(80 * 1024) });
  assert.equal(direct.status, 413);
  const far = await request(client, "POST", "/auth/signin", upload(300 * 1024));
  assert.equal(far.status, 413);
  assert.match(far.text, /nginx/);
  client.close();
});

test("what is for the inside is not reached from outside", async () => {
  const client = connect();
  for (const path of ["/metrics", "/ready"]) assert.equal((await request(client, "GET", path)).status, 404, path);
  assert.equal((await fetch(`http://127.0.0.1:${ports[2]}/ready`)).status, 200);
  client.close();
});

test("server-sent events arrive while the response is still open", async () => {
  const client = connect();
  const { cookies } = await signUp(client);
  const cookie = cookies.map((line) => line.split(";")[0]).join("; ");
  const stream = client.request({ ":path": "/api/session/events", cookie, accept: "text/event-stream" });
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  const [head] = await once(stream, "response");
  assert.equal(head[":status"], 200);
  assert.match(head["content-type"], /^text\/event-stream/);
  // Each process tells what it did itself, and nginx takes them in turn: of two requests one is told here.
  for (let tries = 0; tries < 4; tries++) await request(client, "GET", "/api/comments", { headers: { cookie } });
  await until(() => text.includes("token-used"), "what the session did");
  assert.ok(!stream.closed && !stream.readableEnded, "the stream is over");
  stream.close();
  client.close();
});

test("one process after the other is restarted under load without a failed request", async () => {
  let running = true;
  const answers = new Map();
  const load = Array.from({ length: 8 }, async () => {
    const client = connect();
    while (running) {
      for (const path of ["/health", "/api/comments", "/"]) {
        const { status } = await request(client, "GET", path);
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }
    }
    client.close();
  });
  await pause(300);
  for (const index of [0, 1]) {
    await sites[index].stop();
    await pause(300);
    sites[index] = await start(ports[2 + index]);
    await pause(300);
  }
  running = false;
  await Promise.all(load);
  assert.deepEqual([...answers.keys()], [200], JSON.stringify([...answers]));
  assert.ok(answers.get(200) > 100, `${answers.get(200)} requests are no load`);
});

/** Sends a request over a connection. Resolves to `{status, cookies, text}`. */
async function request(client, method, path, { headers = {}, body } = {}) {
  const stream = client.request({ ":method": method, ":path": path, ...headers });
  stream.end(body);
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  const ended = once(stream, "end");
  const [head] = await once(stream, "response");
  await ended;
  return { status: head[":status"], cookies: head["set-cookie"] ?? [], text };
}

async function signUp(client) {
  const email = `nginx-${randomBytes(6).toString("hex")}@example.com`;
  const formFields = [{ id: "email", value: email }, { id: "password", value: "correct horse 1" }];
  const headers = { "content-type": "application/json", rid: "emailpassword", "st-auth-mode": "cookie" };
  const answer = await request(client, "POST", "/auth/signup", { headers, body: JSON.stringify({ formFields }) });
  assert.equal(JSON.parse(answer.text).status, "OK", answer.text);
  return answer;
}

/** A connection as a browser has one. */
function connect() {
  const client = http2.connect(`https://localhost:${ports[1]}`, { ca: readFileSync(certificate.crt) });
  client.on("error", () => {}); // each request reports it
  return client;
}

async function until(holds, what) {
  for (let tries = 0; tries < 100; tries++) {
    if (holds()) return;
    await pause(50);
  }
  assert.fail(`${what} did not arrive`);
}

function makeCertificate() {
  const [key, crt] = [join(directory, "site.key"), join(directory, "site.crt")];
  const words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", [...words, ...subject, "-keyout", key, "-out", crt], { stdio: "ignore" });
  return { key, crt };
}

/** A Fauna endpoint with the schema. Resolves to the settings that name it. */
async function startFauna(port) {
  const rootKey = randomBytes(24).toString("base64url");
  const env = { ...process.env, EMBEDDED_FAUNA_ROOT_KEY: rootKey };
  const words = ["--listen", `127.0.0.1:${port}`, "--data", join(directory, "fauna")];
  const child = spawn(process.env.FAUNA_BINARY, words, { env, stdio: "ignore" });
  processes.add(child);
  await until200(`http://127.0.0.1:${port}/ping`, 100);
  const endpoint = { FAUNA_ENDPOINT: `http://127.0.0.1:${port}` };
  const applied = execFileSync(process.env.SITE_BINARY, ["schema", "apply"], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...endpoint, FAUNA_SECRET: rootKey, DATA_DIR: join(directory, "apply") },
  });
  return { ...endpoint, FAUNA_SECRET: applied.toString().match(/FAUNA_SECRET=(\S+)/)[1] };
}

/** One of the two processes, with a data directory that a restart keeps. */
async function start(port) {
  const data = join(directory, `site-${port}`);
  mkdirSync(data, { recursive: true });
  const site = await startSite({ ...settings, LISTEN: `127.0.0.1:${port}`, DATA_DIR: data });
  await until200(`http://127.0.0.1:${port}/ready`, 100);
  return site;
}

/** deploy/nginx.conf with the ports and files of this test; everything else as it is. */
async function startNginx() {
  const changes = [
    [/^worker_processes auto;/m, `user ${process.getuid() === 0 ? "root" : ""};\npid ${directory}/nginx.pid;\nworker_processes 1;`],
    [/^http \{/m, `http {\n    client_body_temp_path ${directory}/body;\n    proxy_temp_path ${directory}/proxy;\n` +
      `    fastcgi_temp_path ${directory}/f;\n    uwsgi_temp_path ${directory}/u;\n    scgi_temp_path ${directory}/s;\n    access_log off;`],
    ["127.0.0.1:3000", `127.0.0.1:${ports[2]}`],
    ["127.0.0.1:3001", `127.0.0.1:${ports[3]}`],
    ["listen 80;", `listen 127.0.0.1:${ports[0]};`],
    // A machine may have no IPv6.
    ["listen [::]:80;", ""],
    ["listen [::]:443 ssl http2;", ""],
    ["listen 443 ssl http2;", `listen 127.0.0.1:${ports[1]} ssl http2;`],
    ["server_name site.example.com;", "server_name localhost;"],
    ["https://site.example.com$request_uri", `https://localhost:${ports[1]}$request_uri`],
    ["/etc/ssl/site.crt", certificate.crt],
    ["/etc/ssl/site.key", certificate.key],
  ];
  let text = readFileSync(join(ROOT, "deploy/nginx.conf"), "utf8");
  for (const [from, to] of changes) {
    assert.ok(text.match(from) ?? text.includes(from), `deploy/nginx.conf has no ${from}`);
    text = text.replace(from, to);
  }
  if (process.getuid() !== 0) text = text.replace(/^user .*\n/m, "");
  const file = join(directory, "nginx.conf");
  writeFileSync(file, text);
  const nginx = spawn("nginx", ["-p", directory, "-c", file, "-e", join(directory, "error.log"), "-g", "daemon off;"], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  processes.add(nginx);
  for (let tries = 0; tries < 50; tries++) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(ports[1], "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.end());
    });
    if (open) return;
    await pause(100);
  }
  assert.fail(`nginx does not listen: ${readFileSync(join(directory, "error.log"), "utf8")}`);
}

async function until200(url, tries) {
  for (let attempt = 0; attempt < tries; attempt++) {
    const status = await fetch(url).then((answer) => answer.status, () => 0);
    if (status === 200) return;
    await pause(100);
  }
  assert.fail(`${url} does not answer`);
}

async function stop(child) {
  processes.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}
