// The session of a request, on the server: the access token is verified against the backend's public keys, without asking it.

import { createRemoteJWKSet, jwtVerify } from "jose";
import { cookies } from "next/headers";

const BACKEND = process.env.BACKEND ?? "http://127.0.0.1:3000";
/** `iss` of access tokens: API_DOMAIN and API_BASE_PATH of the backend. */
const ISSUER = process.env.ISSUER ?? "http://localhost:3001/auth";
/** Fetched when a key is needed that is not known yet, and kept. */
const keys = createRemoteJWKSet(new URL("/auth/jwt/jwks.json", BACKEND));

/**
 * The claims of the access token, or null: nobody is signed in, or the token has expired. Never refresh here: the new cookies
 * would not reach the browser. Send the page without what is private, and let the script of the page refresh.
 */
export async function currentSession() {
  const jar = await cookies();
  const token = (jar.get("__Host-sAccessToken") ?? jar.get("sAccessToken"))?.value;
  if (!token) return null;
  try {
    return (await jwtVerify(token, keys, { algorithms: ["ES256"], issuer: ISSUER })).payload;
  } catch {
    return null;
  }
}
