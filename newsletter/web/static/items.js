/* The form of a text: keeps what is typed, shows it beside, and helps with Markdown. All of it works
   without: the buttons of the page do the same. */
"use strict";

(function () {
  const WAIT = 2000; // ms after the last key
  const form = document.getElementById("text-form");
  const view = document.getElementById("view");
  const frame = document.getElementById("preview");

  function show() {
    if (!view || !frame) return;
    const chosen = new URLSearchParams(new FormData(view));
    frame.className = "frame w" + chosen.get("width");
    frame.src = view.dataset.frame + "?" + chosen;
  }
  if (view) {
    view.addEventListener("change", show);
    view.addEventListener("submit", function (event) {
      event.preventDefault();
      show();
    });
  }
  if (!form) return;

  const keeping = document.getElementById("keeping");
  const trouble = document.getElementById("trouble");
  const remarks = document.getElementById("remarks");
  let timer = 0;
  let changed = false;
  let leaving = false;

  async function keep(last) {
    clearTimeout(timer);
    changed = false;
    const data = new FormData(form);
    data.delete("picture");
    try {
      const answer = await fetch(form.dataset.keep, {
        method: "POST",
        body: data,
        keepalive: last === true,
        headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrf_token.value },
      });
      if (!answer.ok || answer.redirected) throw answer;
      const found = await answer.json();
      keeping.textContent = found.kept;
      trouble.textContent = "";
      remarks.innerHTML = found.remarks;
      form.dispatchEvent(new Event("kept"));
      show();
    } catch (why) {
      if (leaving) return;
      form.dispatchEvent(new Event("refused"));
      changed = true;
      const ended = why.redirected || why.status === 400 || why.status === 403;
      const reason = ended ? "ended" : why.status === 409 ? "elsewhere" : "failed";
      keeping.textContent = trouble.textContent = keeping.dataset[reason];
      timer = setTimeout(keep, 5 * WAIT);
    }
  }

  form.addEventListener("input", function (event) {
    if (event.target.id.startsWith("picture") || event.target.name === "picture_place") return;
    changed = true;
    clearTimeout(timer);
    timer = setTimeout(keep, WAIT);
  });
  form.addEventListener("submit", function () {
    leaving = true;
    changed = false;
    clearTimeout(timer);
  });
  document.addEventListener("visibilitychange", function () {
    if (document.visibilityState === "hidden" && changed) keep(true);
  });

  // A remark leads to its line.
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-line]");
    const field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    const inside = field.closest("details");
    if (inside) inside.open = true;
    const line = Number(link.dataset.line);
    if (!line || field.tagName !== "TEXTAREA") return;
    event.preventDefault();
    const lines = field.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    field.focus();
    field.setSelectionRange(start, start + (lines[line - 1] || "").length);
    field.scrollTop = (field.scrollHeight * (line - 3)) / lines.length;
  });

  // Markdown, by buttons and keys.
  const body = document.getElementById("body");
  const tools = form.querySelector(".tools");
  if (!body || !tools) return;
  tools.hidden = false;
  const buttons = Array.from(tools.querySelectorAll("button"));

  function put(text, from, to) {
    body.focus();
    const start = body.selectionStart;
    // The only way that leaves the browser's undo as it was.
    if (!document.execCommand("insertText", false, text)) {
      body.setRangeText(text);
      body.dispatchEvent(new Event("input", { bubbles: true }));
    }
    body.setSelectionRange(start + from, start + to);
  }

  function mark(sign) {
    const chosen = body.value.slice(body.selectionStart, body.selectionEnd);
    put(sign + chosen + sign, sign.length, sign.length + chosen.length);
  }

  function begin(sign) {
    const from = body.value.lastIndexOf("\n", body.selectionStart - 1) + 1;
    body.setSelectionRange(from, body.selectionEnd);
    const chosen = body.value.slice(from, body.selectionEnd);
    const text = chosen.split("\n").map((line) => sign + line).join("\n");
    put(text, text.length, text.length);
  }

  function link() {
    const chosen = body.value.slice(body.selectionStart, body.selectionEnd);
    const from = chosen.length + 3;
    put("[" + chosen + "](https://)", from, from + 8);
  }

  function press(button) {
    if (button.dataset.mark) mark(button.dataset.mark);
    else if (button.dataset.start) begin(button.dataset.start);
    else link();
  }

  function rove(button) {
    for (const one of buttons) one.tabIndex = one === button ? 0 : -1;
  }

  rove(buttons[0]);
  tools.addEventListener("click", function (event) {
    const button = event.target.closest("button");
    if (button) press(button);
  });
  tools.addEventListener("keydown", function (event) {
    const at = buttons.indexOf(document.activeElement);
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 };
    if (!(event.key in steps) || at < 0) return;
    event.preventDefault();
    const next = buttons[(steps[event.key] + buttons.length) % buttons.length];
    rove(next);
    next.focus();
  });
  body.addEventListener("keydown", function (event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    const acts = { b: () => mark("**"), i: () => mark("*"), k: link };
    const act = acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
