"use strict";
// What pages do beyond links, forms and htmx: dialogs, copying, and searching while one types. Without it all of them work.

const dialog = document.getElementById("dialog");
const body = document.getElementById("dialog-body");
let reload = false;
let kept = new Set();
const unfolded = new Set(); // what was opened stays open when rows are brought up to date

function prepare(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) button.hidden = !navigator.clipboard;
}

function search(form) {
  const filter = form.querySelector("input[type=search]");
  let waiting = 0;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const query = new URLSearchParams(new FormData(form));
      if (!filter.value) query.delete("filter");
      const address = "/certificates" + (query.size ? "?" + query : "");
      history.replaceState(null, "", address);
      htmx.ajax("GET", address, { target: "#tables", swap: "outerMorph" });
    }, 250);
  });
}

if (dialog) {
  prepare(document);
  const filter = document.querySelector("form.filter");
  if (filter) search(filter);

  document.addEventListener("toggle", ({ target }) => {
    if (target.id) unfolded[target.open ? "add" : "delete"](target.id);
  }, true);
  document.addEventListener("htmx:before:swap", () => (kept = new Set(unfolded)));
  document.addEventListener("htmx:after:swap", () => {
    for (const id of kept) document.getElementById(id)?.setAttribute("open", "");
    prepare(document);
    if (body.childElementCount && !dialog.open) dialog.showModal();
    if (body.querySelector("#job")) reload = true;
  });
  dialog.addEventListener("close", () => {
    body.replaceChildren();
    if (reload) location.reload();
  });
  document.addEventListener("click", async (event) => {
    const target = event.target.closest("[data-close], [data-copy]");
    if (event.target === dialog) dialog.close();
    if (!target) return;
    if (target.hasAttribute("data-close") && dialog.open) {
      event.preventDefault();
      dialog.close();
    } else if (target.hasAttribute("data-copy")) {
      await navigator.clipboard.writeText(target.dataset.copy);
      const before = target.textContent;
      target.textContent = target.dataset.done;
      setTimeout(() => (target.textContent = before), 1500);
    }
  });
}
