// Before a form is sent, the browser proves with some work that it is one (see worker.js). Nobody
// has to see or do anything. Whatever goes wrong here, the form is sent without the work: it is
// taken all the same, in a slower lane.

const SAY_AFTER = 1000; // milliseconds: shorter work needs no words
const AT_MOST = 30000;
const TWICE = 10000; // for so long a second click sends nothing

for (const field of document.querySelectorAll("input[data-worker]")) guard(field);

function guard(field) {
  const { form } = field;
  const email = form.elements.email;
  const status = form.querySelector("[role=status]");
  let working, waiting = false, sent = false;

  const task = () => `${form.elements.token.value}:${email.value.trim()}`;
  const worth = () => field.dataset.bits !== "0" && email.value.includes("@");

  // The work for what stands in the form at this moment; done once.
  function work() {
    if (working?.task !== task()) {
      working?.finish("");
      working = begin(task());
    }
    return working;
  }

  function begin(task) {
    const begun = { task, nonce: null };
    begun.done = new Promise((finish) => {
      begun.finish = finish;
      setTimeout(finish, AT_MOST, "");
      try {
        begun.worker = new Worker(field.dataset.worker);
        begun.worker.onmessage = ({ data }) => finish(data);
        begun.worker.onerror = () => finish("");
        begun.worker.postMessage({ task, bits: Number(field.dataset.bits) });
      } catch {
        finish("");
      }
    }).then((nonce) => {
      begun.nonce = nonce;
      begun.worker?.terminate();
    });
    return begun;
  }

  async function workThenSend(button) {
    waiting = true;
    const saying = setTimeout(() => { status.textContent = status.dataset.words; }, SAY_AFTER);
    while (worth() && work().nonce === null) await work().done;
    clearTimeout(saying);
    status.textContent = "";
    waiting = false;
    form.requestSubmit(button);
  }

  email.addEventListener("change", () => worth() && work());
  if (worth()) work(); // it came filled in
  form.querySelector("[name=use]")?.addEventListener("click", ({ target }) => {
    email.value = target.value;
  });

  form.addEventListener("submit", (event) => {
    if (waiting || sent) {
      event.preventDefault();
    } else if (worth() && form.requestSubmit && work().nonce === null) {
      event.preventDefault();
      workThenSend(event.submitter);
    } else {
      field.value = working?.nonce ?? "";
      sent = true;
      setTimeout(() => { sent = false; }, TWICE);
    }
  });

  // Back again: the form can be sent once more.
  addEventListener("pageshow", () => { sent = false; });
}
