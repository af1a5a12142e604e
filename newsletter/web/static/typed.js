/* Text that did not arrive, or after its writer was signed out: it stays in this tab, under the address
   of its form and the number of its writer, and the form offers it again. */
"use strict";

(function () {
  const late = document.getElementById("typed"); // the answer that shows it
  const form = document.getElementById("text-form");
  const TOOLS = ["csrf_token", "by", "tab", "seen"];

  function place(path, by) {
    return "typed " + by + " " + path;
  }

  function hold(key, pairs) {
    try {
      sessionStorage.setItem(key, JSON.stringify(pairs));
      return true;
    } catch {
      return false; // no room
    }
  }

  if (late && late.dataset.by) {
    const fields = Array.from(late.querySelectorAll("[name]"), (one) => [one.name, one.value]);
    const held = hold(place(late.dataset.path, late.dataset.by), fields);
    document.getElementById("typed-held").hidden = !held;
  }
  if (!form) return;

  const key = place(location.pathname, form.elements.by.value);
  const offer = document.getElementById("held");

  function drop() {
    offer.hidden = true;
    sessionStorage.removeItem(key);
  }

  function fill(pairs) {
    for (const field of form.elements) {
      const values = pairs.filter(([name]) => name === field.name).map(([, value]) => value);
      if (field.type === "checkbox") field.checked = values.includes(field.value);
      else if (values.length && field.type !== "file" && field.type !== "radio") {
        field.value = values[0];
      }
    }
    form.elements.was.dispatchEvent(new Event("input", { bubbles: true }));
  }

  form.addEventListener("refused", function () {
    const typed = Array.from(new FormData(form)).filter(
      ([name, value]) => typeof value === "string" && !TOOLS.includes(name),
    );
    hold(key, typed);
  });
  form.addEventListener("kept", drop);
  form.addEventListener("submit", drop);

  const kept = JSON.parse(sessionStorage.getItem(key) || "null");
  if (!kept || !kept.every(([name]) => name in form.elements)) return;
  offer.hidden = false;
  offer.addEventListener("click", function (event) {
    const wish = event.target.dataset.held;
    if (wish === "back") fill(kept);
    if (wish) drop();
    if (wish) form.querySelector("input:not([type=hidden]), textarea").focus();
  });
})();
