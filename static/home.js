// Comments: likes without loading the page again, and drafts.

import { call } from "./session.js";
import { busy, element } from "./site.js";

async function toggle(form) {
  const button = form.querySelector("button");
  const method = button.getAttribute("aria-pressed") === "true" ? "DELETE" : "PUT";
  const { likes, liked } = await call(`/api/comments/${form.dataset.like}/like`, { method });
  button.setAttribute("aria-pressed", String(liked));
  button.querySelector("[data-likes]").textContent = likes;
  form.action = `/comments/${form.dataset.like}/${liked ? "unlike" : "like"}`;
  complain(form, "");
}

/** Says beside the button why it did nothing. */
function complain(form, message) {
  form.parentElement.querySelector("[data-complaint]")?.remove();
  if (!message) return;
  const text = element("span", { className: "mistake", role: "alert" }, message);
  text.dataset.complaint = "";
  form.after(text);
}

// First, or site.js would send the form.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-like]")) return;
  event.preventDefault();
  busy(form.querySelector("button"), () => toggle(form), (message) => complain(form, message));
}, true);

const area = document.querySelector("[data-draft]");
if (area) {
  const key = `draft of ${area.dataset.draft}`;
  const draft = sessionStorage.getItem(key);
  const isPosted = [...document.querySelectorAll(".comment .text")].some((text) => text.textContent === draft?.trim());
  if (draft && !isPosted) area.value = draft;
  if (area.value) area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
  sessionStorage.setItem(key, area.value);
  const hint = document.querySelector(".composer .hint");
  const limit = hint.textContent;
  const count = () => {
    const chars = [...area.value.trim()].length;
    hint.textContent = chars > 800 ? `${chars} of 1000 characters` : limit;
    hint.classList.toggle("over", chars > 1000);
  };
  count();
  area.addEventListener("input", () => {
    sessionStorage.setItem(key, area.value);
    count();
  });
}
