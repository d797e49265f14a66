// Pages that mailed links lead to.

document.querySelector("[data-submit-at-once]")?.requestSubmit();
// A secret that came in the address is in the page by now; the address bar and the history need not keep it.
if (document.querySelector("[data-forget-address]")) history.replaceState(null, "", location.pathname);
