// Everything that the backend answers is forwarded to it, so that browsers see one origin and cookies are first-party.
// Set API_DOMAIN and WEBSITE_DOMAIN of the backend to the address of this frontend.

const BACKEND = process.env.BACKEND ?? "http://127.0.0.1:3000";

/** Paths of the SuperTokens interface and of the API, of the sign-in pages, and of what they load and post to. */
const FORWARDED = [
  "/auth",
  "/auth/:path*",
  "/api/:path*",
  "/sessioninfo",
  "/static/:path*",
  "/sign-in",
  "/sign-up",
  "/sign-out",
  "/complete-sign-up",
  "/forgot-password",
  "/reset-password",
  "/verify-email",
  "/verify-email/send",
  "/account",
  "/account/:path*",
  "/cookies",
  "/.well-known/change-password",
];

export default {
  rewrites: () => FORWARDED.map((source) => ({ source, destination: `${BACKEND}${source}` })),
};
