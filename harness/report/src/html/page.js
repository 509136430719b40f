"use strict";
// A field that finds cases by name, and a button that unfolds all; without a script the page has neither and lacks nothing.
(() => {
  const main = document.querySelector("main");
  const cases = [...document.querySelectorAll(".case")];
  if (!main || cases.length < 4) return;
  const bar = document.createElement("div");
  const field = document.createElement("input");
  const button = document.createElement("button");
  bar.className = "filter";
  field.type = "search";
  field.placeholder = "Find cases by name";
  field.setAttribute("aria-label", field.placeholder);
  button.type = "button";
  button.textContent = "Unfold all";
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of cases) {
      const name = one.querySelector("summary").textContent.toLowerCase();
      one.hidden = !words.every((word) => name.includes(word));
    }
    for (const group of document.querySelectorAll(".scenario")) {
      const inside = [...group.querySelectorAll(".case")];
      if (inside.length === 0) continue;
      group.hidden = inside.every((one) => one.hidden);
      group.open = words.length > 0;
    }
  });
  button.addEventListener("click", () => {
    const open = button.textContent === "Unfold all";
    for (const one of document.querySelectorAll(".case, .scenario")) one.open = open;
    button.textContent = open ? "Fold all" : "Unfold all";
  });
  bar.append(field, button);
  main.prepend(bar);
})();
