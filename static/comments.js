// Likes without loading the page again. Without this script the same form is posted.

import { call } from "./session.js";
import { busy, say } from "./site.js";

async function toggle(form) {
  const button = form.querySelector("button");
  const method = button.getAttribute("aria-pressed") === "true" ? "DELETE" : "PUT";
  const { likes, liked } = await call(`/api/comments/${form.dataset.like}/like`, { method });
  button.setAttribute("aria-pressed", String(liked));
  button.querySelector("[data-likes]").textContent = likes;
  form.action = `/comments/${form.dataset.like}/${liked ? "unlike" : "like"}`;
  say("");
}

for (const form of document.querySelectorAll("form[data-like]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    busy(form.querySelector("button"), () => toggle(form));
  });
}
