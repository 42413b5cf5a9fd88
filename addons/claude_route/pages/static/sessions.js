// Opens turns and parts in place, copies blocks, and keeps the page up to date. Without it, all of this is
// links to pages of their own.
"use strict";

const EVERY = 2000; // milliseconds

const main = document.querySelector("main");
const note = document.getElementById("note");
const live = document.getElementById("live");
let timer = 0;

async function refresh() {
  clearTimeout(timer);
  const running = main.querySelector("[aria-busy]");
  if (!document.hidden) {
    try {
      const here = location.pathname + location.search;
      const mark = location.search ? "&" : "?";
      const state = running
        ? {}
        : await (await get(`${here}${mark}version`, "application/json")).json();
      if (running || state.version !== main.dataset.version) {
        const fresh = (await page(here)).querySelector("main");
        decorate(fresh); // or what it has already would be hidden again
        const before = main.querySelectorAll(".turn, .sessions tbody tr").length;
        adopt(main, fresh, decorate);
        const more = main.querySelectorAll(".turn, .sessions tbody tr").length - before;
        if (more > 0) live.textContent = `${more} more`;
        if (running && !main.querySelector("[aria-busy]")) live.textContent = "The answer is complete";
      }
      note.hidden = true;
    } catch (error) {
      note.textContent = `Not up to date: ${why(error)}. Trying again …`;
      note.hidden = false;
    }
  }
  clearTimeout(timer);
  if (main.dataset.version) timer = setTimeout(refresh, running ? 700 : EVERY);
}

// A turn's row, or a part of a turn's page.
async function fill(details) {
  const place = details.querySelector(":scope > .opened > .filled, :scope > .filled");
  const from = details.dataset.from;
  if (!from || !place || place.dataset.filled) return;
  place.dataset.filled = "now";
  place.setAttribute("aria-busy", "true");
  try {
    const fresh = await page(from);
    const part = new URL(from, location.href).searchParams.get("part");
    const found = fresh.querySelector(part ? `#${CSS.escape(part)} > .filled` : "#opened");
    const made = [...document.importNode(found, true).childNodes];
    // Links of the other page are relative to it.
    const base = new URL(from, location.href);
    for (const node of made) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      for (const link of node.querySelectorAll("a[href]")) {
        link.href = new URL(link.getAttribute("href"), base).href;
      }
      for (const block of node.querySelectorAll("[data-block]")) {
        block.dataset.block = new URL(block.dataset.block, base).href;
      }
      decorate(node);
    }
    place.replaceChildren(...made);
  } catch (error) {
    delete place.dataset.filled;
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = `This can’t be shown: ${why(error)}.`;
    place.replaceChildren(line);
  }
  place.removeAttribute("aria-busy");
}

async function copy(button) {
  const block = button.closest(".block");
  let done = false;
  try {
    const text = block.dataset.block
      ? await (await get(block.dataset.block, "text/plain")).text()
      : asShown(block);
    done = await put(text);
  } catch {
    done = false;
  }
  button.textContent = done ? "Copied" : "Not copied";
  live && (live.textContent = button.textContent);
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

// A file has no server to ask for the block itself.
function asShown(block) {
  const parts = block.querySelectorAll(":scope > pre.text, :scope > .json, :scope > .reminder > pre");
  return [...parts].map((part) => (part.matches("pre") ? part.textContent : part.innerText)).join("\n\n");
}

async function put(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have a clipboard only for https and this machine, and may refuse it.
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function markdown(link) {
  const block = link.closest(".block");
  const old = block.querySelector(":scope > .rendered");
  const text = block.querySelector(":scope > pre.text");
  if (old) {
    old.remove();
    text.hidden = false;
  } else {
    const fresh = await page(link.href);
    text.after(document.importNode(fresh.getElementById("rendered"), true));
    text.hidden = true;
  }
  link.textContent = old ? "Markdown" : "Plain";
}

async function more(link) {
  const text = await (await get(link.href, "text/plain")).text();
  link.closest(".block").querySelector(":scope > pre.text").textContent = text;
  link.closest("p").remove();
}

function decorate(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  for (const button of node.querySelectorAll("button.copy")) button.hidden = false;
}

// Opens what the address names.
function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  const found = id && document.getElementById(id);
  if (!found) return;
  for (let each = found; each; each = each.parentElement) {
    if (each.nodeName === "DETAILS") each.open = true;
  }
  const own = found.querySelector(":scope > details");
  if (own) own.open = true;
  found.scrollIntoView({ block: "start" });
}

// The address names the row that was opened last: whoever comes back, or gets the link, sees it open.
function name(row) {
  const own = `#${row.parentElement.id}`;
  if (row.open) history.replaceState(null, "", own);
  else if (location.hash === own) history.replaceState(null, "", location.pathname + location.search);
}

document.addEventListener(
  "toggle",
  ({ target }) => {
    if (target.open) fill(target);
    if (target.matches("details.row")) name(target);
  },
  true,
);

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  const failed = (error) => (note.textContent = why(error), (note.hidden = false));
  if (on("button.copy")) copy(on("button.copy"));
  else if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  else if (on("a.markdown")) {
    event.preventDefault();
    markdown(on("a.markdown")).catch(failed);
  } else if (on("a.more")) {
    event.preventDefault();
    more(on("a.more")).catch(failed);
  }
});

decorate(document.body);
addEventListener("hashchange", follow);
follow();
if (main.dataset.version) {
  document.addEventListener("visibilitychange", refresh);
  timer = setTimeout(refresh, EVERY);
}
