/* Issues on the desk: numbers that stay fresh while an issue goes, and an order that can be dragged.
   Without it a reload shows the numbers, and buttons move the items. */
"use strict";

(function () {
  const EVERY = 4000; // ms
  const progress = document.getElementById("progress");
  const going = ["sending", "paused"];
  let spoken = -1;

  function show(found) {
    for (const place of progress.querySelectorAll("[data-part]")) {
      place.textContent = found[place.dataset.part];
    }
    const bar = document.getElementById("share");
    bar.max = 100;
    bar.value = found.share;
    document.getElementById("state").textContent = found.state;
    const tenth = Math.floor(found.share / 10);
    const said = document.getElementById("spoken");
    if (tenth !== spoken) said.textContent = said.dataset.words.replace("{share}", found.share);
    spoken = tenth;
  }

  async function look() {
    try {
      const answer = await fetch(progress.dataset.url, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) return;
      const found = await answer.json();
      show(found);
      if (found.key !== progress.dataset.key) {
        location.reload(); // other buttons
        return;
      }
    } catch {
      /* the next look may succeed */
    }
    setTimeout(look, EVERY);
  }
  if (progress && going.includes(progress.dataset.key)) setTimeout(look, EVERY);

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
