// FaunaDB's own Node driver, unmodified, against the Fauna of the running site, with the token of a signed-in user.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import faunadb from "faunadb";
import { signUp } from "./people.js";
import { startSite } from "./site.js";

const q = faunadb.query;
let site;
before(async () => {
  site = await startSite({ ACCESS_FAUNADB_TOKEN_FROM_FRONTEND: "true" });
});
after(() => site?.stop());

/** Resolves to what `work` makes of a driver that speaks HTTP/2 with this token. */
async function asked(token, work) {
  const { hostname, port } = new URL(site.fauna);
  const client = new faunadb.Client({ secret: token, domain: hostname, port, scheme: "http", timeout: 5 });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

const refused = (error) => error instanceof faunadb.errors.Unauthorized;

test("somebody reads their own document, and nobody else's", async () => {
  const [ann, bob] = [await signUp(site.base), await signUp(site.base)];
  await asked(ann.payload.faunadbToken, async (client) => {
    const document = await client.query(q.Get(q.CurrentIdentity()));
    assert.equal(document.data.email, ann.email);
    assert.equal(document.ref.id, ann.userId);
    await assert.rejects(client.query(q.Get(q.Ref(q.Collection("users"), bob.userId))), faunadb.errors.PermissionDenied);
    await assert.rejects(client.query(q.Get(q.Ref(q.Collection("user_secrets"), ann.userId))), faunadb.errors.PermissionDenied);
  });
});

test("a like from the driver is the like of the site", async () => {
  const [author, fan] = [await signUp(site.base), await signUp(site.base)];
  const { id } = await author.call("/api/comments", { method: "POST", body: { text: "from the driver's test" } });
  await asked(fan.payload.faunadbToken, async (client) => {
    assert.deepEqual(await client.query(q.Call(q.Function("like"), id)), { likes: 1, liked: true });
  });
  const { comments } = await fan.call("/api/comments");
  const comment = comments.find((comment) => comment.id === id);
  assert.deepEqual([comment.likes, comment.liked, comment.author], [1, true, author.userId]);
});

test("the token is dead as soon as its session is over", async () => {
  const ann = await signUp(site.base);
  const token = ann.payload.faunadbToken;
  assert.equal(await asked(token, (client) => client.query(q.Add(20, 22))), 42);
  await ann.call("/auth/signout", { method: "POST" });
  await assert.rejects(asked(token, (client) => client.query(q.Add(20, 22))), refused);
});
