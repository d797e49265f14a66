// The alert rules and the dashboard in deploy/: Prometheus accepts them, and they name metrics that the site has.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { signIn, signUp } from "./people.js";
import { startSite } from "./site.js";

const ROOT = new URL("../..", import.meta.url).pathname;
const TOKEN = "token-of-the-scraper";
let site;
before(async () => {
  site = await startSite({ METRICS_TOKEN: TOKEN });
});
after(() => site?.stop());

/** Names of metrics in an expression of PromQL: what is no function, label or keyword. */
const names = (expression) =>
  (expression.replace(/"[^"]*"/g, "").match(/\b[a-z]+(?:_[a-z]+)+\b/g) ?? [])
    .filter((name) => !/^(histogram_quantile|min_over_time|max_over_time)$/.test(name));

async function exposed() {
  const answer = await fetch(`${site.base}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(answer.status, 200);
  return answer.text();
}

test("promtool accepts what the site exposes", async () => {
  await signUp(site.base);
  execFileSync("promtool", ["check", "metrics"], { input: await exposed(), stdio: ["pipe", "inherit", "inherit"] });
});

test("promtool accepts the alert rules, and all metrics in them exist", async () => {
  const file = `${ROOT}deploy/prometheus/alerts.yml`;
  execFileSync("promtool", ["check", "rules", file], { stdio: ["ignore", "ignore", "inherit"] });
  const expressions = [...readFileSync(file, "utf8").matchAll(/^ +expr: (.*)$/gm)].map(([, expression]) => expression);
  assert.ok(expressions.length > 5);
  await allExist(expressions);
});

test("alerts fire when they should, also on a process that has just started, and not otherwise", () => {
  execFileSync("promtool", ["test", "rules", `${ROOT}tests/official/alerts.yml`], { stdio: ["ignore", "ignore", "inherit"] });
});

test("the dashboard is whole, and all metrics in it exist", async () => {
  const dashboard = JSON.parse(readFileSync(`${ROOT}deploy/grafana/dashboard.json`, "utf8"));
  const ids = dashboard.panels.map((panel) => panel.id);
  assert.equal(new Set(ids).size, ids.length);
  await allExist(dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr)));
});

async function allExist(expressions) {
  // What is exposed once it has happened.
  const ann = await signUp(site.base);
  await signIn(site.base, ann.email);
  await ann.call("/api/comments");
  await ann.call("/auth/signout", { method: "POST" });
  // The database names its own metric: it knows nothing of HTTP.
  const files = ["src/http/metrics.rs", "src/database/retry.rs"];
  const source = files.map((file) => readFileSync(`${ROOT}${file}`, "utf8")).join("");
  const text = await exposed();
  for (const name of new Set(expressions.flatMap(names))) {
    const base = name.replace(/_(bucket|sum|count)$/, "");
    assert.ok(source.includes(`"${base}"`), `${name} is no metric of the site`);
    assert.ok(text.includes(base), `${name} is not exposed`);
  }
}
