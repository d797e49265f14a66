// Somebody with an account, as a program without a browser: sessions travel in headers.

let born = 0;

export const PASSWORD = "correct horse 1";

/** An address that nobody has used. */
export const newAddress = () => `person-${process.pid}-${++born}@example.com`;

/** Signs up with a new address. Resolves to `{email, userId, payload, call}`; `call` is fetch as this person, JSON in and out. */
export const signUp = (base) => enter(base, "signup", newAddress());

/** The same for somebody who has an account. */
export const signIn = (base, email) => enter(base, "signin", email);

async function enter(base, form, email) {
  const formFields = [{ id: "email", value: email }, { id: "password", value: PASSWORD }];
  const answer = await fetch(`${base}/auth/${form}`, {
    method: "POST",
    headers: { "content-type": "application/json", "st-auth-mode": "header", rid: "emailpassword" },
    body: JSON.stringify({ formFields }),
  });
  const body = await answer.json();
  if (body.status !== "OK") throw new Error(`${form}: ${answer.status} ${JSON.stringify(body)}`);
  const authorization = `Bearer ${answer.headers.get("st-access-token")}`;
  async function call(path, { method = "GET", body } = {}) {
    const headers = { authorization, rid: "anti-csrf", ...(body && { "content-type": "application/json" }) };
    const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  }
  return { email, userId: body.user.id, payload: payloadOf(answer.headers.get("front-token")), call };
}

/** What a page's scripts may know of the access token. */
const payloadOf = (frontToken) => JSON.parse(Buffer.from(frontToken, "base64").toString()).up;
