"use client";
// In the browser: if the server could not verify the access token because it has expired, refresh it and load the page again.

import { useEffect } from "react";
import { useRouter } from "next/navigation";
import SuperTokens from "supertokens-website";

export function Session({ isKnown }) {
  const router = useRouter();
  useEffect(() => {
    SuperTokens.init({ apiDomain: location.origin });
    if (isKnown) return;
    SuperTokens.attemptRefreshingSession().then((refreshed) => refreshed && router.refresh(), () => {});
  }, [isKnown, router]);
  return null;
}
