// Passwords can be shown, and say while they are typed which rules they meet.

import { element } from "./site.js";

function showRules(input) {
  const rules = [
    ["8 to 99 characters", (text) => text.length >= 8 && text.length <= 99],
    ["a letter", (text) => /[a-z]/i.test(text)],
    ["a digit", (text) => /[0-9]/.test(text)],
  ];
  const list = element("ul", { className: "rules" }, ...rules.map(([name]) => element("li", {}, name)));
  input.addEventListener("input", () =>
    rules.forEach(([, holds], index) => list.children[index].classList.toggle("met", holds(input.value))));
  input.parentElement.after(list);
}

for (const input of document.querySelectorAll(".reveal input")) {
  const label = document.querySelector(`label[for="${input.id}"]`)?.textContent ?? "password";
  const button = element("button", { type: "button" }, "Show", element("span", { className: "hush" }, ` ${label.toLowerCase()}`));
  button.addEventListener("click", () => {
    input.type = input.type === "password" ? "text" : "password";
    button.firstChild.textContent = input.type === "password" ? "Show" : "Hide";
  });
  input.form.addEventListener("submit", () => (input.type = "password"));
  input.after(button);
  if ("rules" in input.dataset) showRules(input);
}
