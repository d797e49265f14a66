// Mail through a mail server of another make: npm's smtp-server, which wants a password and may refuse.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { SMTPServer } from "smtp-server";

import { PASSWORD, newAddress } from "./people.js";
import { startSite } from "./site.js";

/** A mail server on a free port. `refusals` says how many mails it refuses first. */
async function startMailServer(refusals = 0) {
  const taken = [];
  const waiting = [];
  const server = new SMTPServer({
    disabledCommands: ["STARTTLS"],
    closeTimeout: 100, // the site keeps its connection for the next mail
    allowInsecureAuth: true,
    onAuth: ({ username, password }, session, done) =>
      username === "site" && password === "s3cret" ? done(null, { user: username }) : done(new Error("wrong password")),
    onData(stream, { envelope }, done) {
      let text = "";
      stream.setEncoding("utf8").on("data", (part) => (text += part));
      stream.on("end", () => {
        if (refusals-- > 0) return done(Object.assign(new Error("come again"), { responseCode: 451 }));
        const mail = { to: envelope.rcptTo.map((to) => to.address), text };
        const next = waiting.shift();
        if (next) next(mail);
        else taken.push(mail);
        done();
      });
    },
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  return {
    url: `smtp://site:s3cret@127.0.0.1:${server.server.address().port}`,
    next: () => (taken.length > 0 ? taken.shift() : new Promise((resolve) => waiting.push(resolve))),
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** A JSON request; resolves to the answer's body. */
async function post(base, path, body) {
  const headers = { "content-type": "application/json", "st-auth-mode": "header" };
  return (await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

const fields = (pairs) => Object.entries(pairs).map(([id, value]) => ({ id, value }));

/** The token of the link in a mail, whose text is quoted-printable or plain. */
function tokenIn({ text }) {
  const plain = text.replace(/=\r\n/g, "").replace(/=3D/g, "=");
  return plain.match(/token=([\w-]{43})/)[1];
}

for (const [name, refusals] of [["takes it", 0], ["refuses it at first", 1]]) {
  test(`a new password by mail, where the mail server ${name}`, async (t) => {
    const mail = await startMailServer(refusals);
    t.after(mail.stop);
    const site = await startSite({ SMTP_URL: mail.url, MAIL_FROM: "Site <no-reply@site.example>" });
    t.after(site.stop);

    const email = newAddress();
    await post(site.base, "/auth/signup", { formFields: fields({ email, password: PASSWORD }) });
    const asked = await post(site.base, "/auth/user/password/reset/token", { formFields: fields({ email }) });
    assert.deepEqual(asked, { status: "OK" });

    const first = await mail.next();
    assert.deepEqual(first.to, [email]);
    assert.match(first.text, /^From: (")?Site(")? <no-reply@site\.example>$/m);
    assert.match(first.text, /multipart\/alternative/);
    const body = { method: "token", token: tokenIn(first), formFields: fields({ password: "another horse 2" }) };
    assert.deepEqual(await post(site.base, "/auth/user/password/reset", body), { status: "OK" });

    const second = await mail.next();
    assert.match(second.text, /^Subject: .*was changed/m);
    assert.equal((await fetch(`${site.base}/dev/mailbox`)).status, 404);
  });
}
