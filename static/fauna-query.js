// Where scripts may read the session's Fauna token: the user's own document, asked for in the wire format of the official driver.

import { call } from "./session.js";
import { busy, element } from "./site.js";

const ask = document.querySelector("[data-browser-query]");
ask.addEventListener("click", () => busy(ask, async () => {
  const session = await call("/sessioninfo");
  const token = session.userDataInAccessToken?.faunadbToken ?? session.accessTokenPayload?.faunadbToken;
  const answer = await fetch(ask.dataset.browserQuery, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "x-faunadb-api-version": "4" },
    body: JSON.stringify({ get: { current_identity: null } }),
  });
  const text = JSON.stringify(await answer.json(), null, 1);
  document.querySelector("[data-browser-answer]").replaceChildren(element("div", { className: "evidence" },
    element("p", {}, `${answer.status} from ${ask.dataset.browserQuery}`), element("pre", {}, text)));
}));
ask.hidden = false;
