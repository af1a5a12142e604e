/* Issues on the desk: a page that shows by itself that an issue begins, goes and ends, and an order
   that can be dragged. Without it a reload shows the numbers, and buttons move the items. */
"use strict";

(function () {
  const EVERY = 4000; // ms
  const state = document.getElementById("state");
  const progress = document.getElementById("progress");
  let spoken = -1;

  function show(found) {
    for (const place of progress.querySelectorAll("[data-part]")) {
      place.textContent = found[place.dataset.part];
    }
    const bar = document.getElementById("share");
    bar.max = 100;
    bar.value = found.share;
    state.textContent = found.state;
    const tenth = Math.floor(found.share / 10);
    const said = document.getElementById("spoken");
    if (tenth !== spoken) said.textContent = said.dataset.words.replace("{share}", found.share);
    spoken = tenth;
  }

  async function look() {
    if (document.hidden) return setTimeout(look, EVERY);
    try {
      const answer = await fetch(state.dataset.url, { headers: { Accept: "application/json" } });
      if (answer.redirected) return location.reload(); // to sign in again
      if (answer.ok) {
        const found = await answer.json();
        if (progress) show(found);
        if (found.key !== state.dataset.key) return location.reload(); // other buttons
      }
    } catch {
      /* the next look may succeed */
    }
    setTimeout(look, EVERY);
  }
  if (state && state.dataset.url) setTimeout(look, EVERY);

  const list = document.getElementById("order");
  if (!list) return;
  let held = null;
  for (const item of list.children) {
    item.draggable = true;
    item.addEventListener("dragstart", function (event) {
      held = item;
      item.classList.add("dragged");
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", item.dataset.slug);
    });
    item.addEventListener("dragover", function (event) {
      if (!held) return;
      event.preventDefault();
      const box = item.getBoundingClientRect();
      const below = event.clientY > box.top + box.height / 2;
      if (item !== held) list.insertBefore(held, below ? item.nextSibling : item);
    });
    item.addEventListener("drop", function (event) {
      event.preventDefault();
      const form = document.getElementById("dragged");
      form.elements.order.value = Array.from(list.children, (one) => one.dataset.slug).join("\n");
      form.submit();
    });
    item.addEventListener("dragend", function () {
      held = null;
      item.classList.remove("dragged");
    });
  }
})();
