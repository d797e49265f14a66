// SuperTokens' prebuilt user interface for React on a page of another origin, with mail, and with FaunaDB's driver in the page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inBrowser } from "./browser.js";
import { serveFrontend } from "./frontend.js";
import { newAddress, PASSWORD, signIn, signUp } from "./people.js";
import { startSite } from "./site.js";

const SOURCE = `
import { createRoot } from "react-dom/client";
import SuperTokens, { SuperTokensWrapper } from "supertokens-auth-react";
import { AuthPage, canHandleRoute, getRoutingComponent } from "supertokens-auth-react/ui";
import EmailPassword from "supertokens-auth-react/recipe/emailpassword";
import { EmailPasswordPreBuiltUI } from "supertokens-auth-react/recipe/emailpassword/prebuiltui";
import EmailVerification from "supertokens-auth-react/recipe/emailverification";
import { EmailVerificationPreBuiltUI } from "supertokens-auth-react/recipe/emailverification/prebuiltui";
import Session, { SessionAuth, useSessionContext } from "supertokens-auth-react/recipe/session";
import faunadb from "faunadb";

const parameters = new URLSearchParams(location.search);
const api = parameters.get("api") ?? localStorage.getItem("api");
const fauna = new URL(parameters.get("fauna") ?? localStorage.getItem("fauna"));
const path = parameters.get("path") ?? localStorage.getItem("path");
localStorage.setItem("api", api);
localStorage.setItem("path", path);
localStorage.setItem("fauna", fauna.href);

SuperTokens.init({
  appInfo: { appName: "Frontend", apiDomain: api, websiteDomain: location.origin, apiBasePath: "/auth", websiteBasePath: path },
  recipeList: [EmailVerification.init({ mode: "REQUIRED" }), EmailPassword.init(), Session.init()],
});
window.signOut = () => Session.signOut();
window.token = async () => (await Session.getAccessTokenPayloadSecurely()).faunadbToken;
window.like = async (secret, id) => {
  const client = new faunadb.Client({ secret, domain: fauna.hostname, port: fauna.port, scheme: "http" });
  const q = faunadb.query;
  return client.query(q.Call(q.Function("like"), id)).catch((error) => error.message);
};

const Home = () => <h1>Signed in as {useSessionContext().userId}</h1>;
const interfaces = [EmailPasswordPreBuiltUI, EmailVerificationPreBuiltUI];
const Embedded = () => <><h1>Welcome</h1><AuthPage preBuiltUIList={[EmailPasswordPreBuiltUI]} redirectOnSessionExists={false} /></>;
const page = location.pathname === "/welcome" ? <Embedded /> : canHandleRoute(interfaces)
  ? getRoutingComponent(interfaces)
  : <SessionAuth><Home /></SessionAuth>;
createRoot(document.getElementById("root")).render(<SuperTokensWrapper>{page}</SuperTokensWrapper>);
`;

let site, frontend;
before(async () => {
  frontend = await serveFrontend(SOURCE);
  site = await startSite({
    WEBSITE_DOMAIN: frontend.origin,
    EMAIL_VERIFICATION: "REQUIRED",
    ACCESS_FAUNADB_TOKEN_FROM_FRONTEND: "true",
  });
});
after(async () => {
  await site?.stop();
  await frontend?.stop();
});

/** The link in the newest mail to that address. */
async function mailedLink(to, { base } = site) {
  const answer = await fetch(`${base}/dev/mailbox`, { headers: { accept: "application/json" } });
  return (await answer.json()).mails.find((mail) => mail.to === to && mail.link)?.link;
}

/** Waits until a mail to that address brings a link that is not \`old\`. */
async function nextLink(page, to, old) {
  for (let tries = 0; tries < 50; tries += 1) {
    const link = await mailedLink(to);
    if (link && link !== old) return link;
    await page.waitForTimeout(100);
  }
  throw new Error("no mail came");
}

/** Opens a page of the frontend, which keeps the query: where the site is, and the base path of the frontend's own pages. */
function open(page, path, { base, fauna } = site, basePath = "/auth") {
  return page.goto(`${frontend.origin}${path}?${new URLSearchParams({ api: base, fauna, path: basePath })}`);
}

async function enter(page, email, password) {
  await page.locator("input[name=email]").fill(email);
  await page.locator("input[name=password]").fill(password);
  await page.locator("button[type=submit]").click();
}

const signedIn = (page) => page.getByRole("heading", { name: /^Signed in as/ }).waitFor();

test("sign up, verify, sign out, reset, sign in, like in Fauna from the page, sign out", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    const email = newAddress();
    await open(page, "/auth");
    await page.getByText("Sign Up", { exact: true }).click();
    await enter(page, email, "short");
    await page.getByText("Password must contain at least 8 characters, including a number").waitFor();
    await enter(page, email, PASSWORD);

    await page.getByText("Verify your email!").waitFor();
    const verification = await nextLink(page, email);
    assert.ok(verification.startsWith(`${frontend.origin}/auth/verify-email?token=`), verification);
    await page.goto(verification);
    await page.getByRole("button", { name: /continue/i }).click();
    await signedIn(page);

    await page.evaluate(() => window.signOut());
    await open(page, "/auth/reset-password");
    await page.locator("input[name=email]").fill(email);
    await page.locator("button[type=submit]").click();
    await page.goto(await nextLink(page, email, verification));
    for (const name of ["password", "confirm-password"]) await page.locator(`input[name=${name}]`).fill("new-horse-2");
    await page.locator("button[type=submit]").click();
    await page.getByText("Success!").waitFor();

    await open(page, "/auth");
    await enter(page, email, PASSWORD);
    await page.getByText("Incorrect email and password combination").waitFor();
    await enter(page, email, "new-horse-2");
    await signedIn(page);

    const token = await page.evaluate(() => window.token());
    const id = await commentOf(await verified(page));
    assert.deepEqual(await page.evaluate(([token, id]) => window.like(token, id), [token, id]), { likes: 1, liked: true });
    await page.evaluate(() => window.signOut());
    assert.match(await page.evaluate(([token, id]) => window.like(token, id), [token, id]), /^unauthorized/);
  }));

test("mailed links lead to the frontend's own base path, and it shows the reset form there", () =>
  inBrowser(async (browser) => {
    const own = await startSite({ WEBSITE_DOMAIN: frontend.origin, WEBSITE_BASE_PATH: "/login" });
    try {
      const page = await browser.newPage();
      const { email } = await signUp(own.base);
      await open(page, "/login/reset-password", own, "/login");
      await page.locator("input[name=email]").fill(email);
      await page.locator("button[type=submit]").click();
      let link;
      while (!(link = await mailedLink(email, own))) await page.waitForTimeout(100);
      assert.ok(link.startsWith(`${frontend.origin}/login/reset-password?token=`), link);
      await page.goto(link);
      for (const name of ["password", "confirm-password"]) await page.locator(`input[name=${name}]`).fill("new-horse-2");
      await page.locator("button[type=submit]").click();
      await page.getByText("Success!").waitFor();
      await open(page, "/login", own, "/login");
      await enter(page, email, "new-horse-2");
      await signedIn(page);
    } finally {
      await own.stop();
    }
  }));

test("the sign-in form is embedded in a page of one's own", () =>
  inBrowser(async (browser) => {
    const page = await browser.newPage();
    const { email } = await signUp(site.base);
    await open(page, "/welcome");
    await page.getByRole("heading", { name: "Welcome" }).waitFor();
    await enter(page, email, PASSWORD);
    await page.waitForFunction(() => document.cookie.includes("sFrontToken"));
  }));

/** Somebody else who may write, because their address is verified. */
async function verified(page) {
  const person = await signUp(site.base);
  await person.call("/auth/user/email/verify/token", { method: "POST" });
  const token = new URL(await nextLink(page, person.email)).searchParams.get("token");
  await person.call("/auth/user/email/verify", { method: "POST", body: { method: "token", token } });
  return signIn(site.base, person.email);
}

const commentOf = async (person) =>
  (await person.call("/api/comments", { method: "POST", body: { text: "to be liked from React" } })).id;
