// Opens turns and parts in place, copies blocks, and keeps the page up to date. Without it, all of this is
// links to pages of their own.
"use strict";

const EVERY = 2000; // milliseconds

const main = document.querySelector("main");
const note = document.getElementById("note");
const live = document.getElementById("live");
let timer = 0;

async function get(url, accept = "text/html") {
  const answer = await fetch(url, {
    headers: { accept },
    cache: "no-store",
    signal: AbortSignal.timeout(20000),
  });
  if (!answer.ok) throw new Error(`the proxy answers ${answer.status}`);
  return answer;
}

async function page(url) {
  return new DOMParser().parseFromString(await (await get(url)).text(), "text/html");
}

function why(error) {
  return error.name === "Error" ? error.message : "the proxy can’t be reached";
}

// Changes only what differs, so that what is open, selected or focused stays. Children with an id are
// found again wherever they are.
function adopt(old, fresh) {
  if (old.nodeName !== fresh.nodeName) {
    old.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.dataset.filled) return; // fetched by hand, and not part of the fresh page
  const keeps = (name) => name === "open" && old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !keeps(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !keeps(name)) old.setAttribute(name, value);
  }
  const byId = new Map([...old.children].filter((child) => child.id).map((c) => [c.id, c]));
  const wanted = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    while (at && at.id && !wanted.has(at.id)) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    const known = child.id && byId.get(child.id);
    if (known) {
      if (known === at) at = at.nextSibling;
      else old.insertBefore(known, at);
      adopt(known, child);
    } else if (at && !at.id && !child.id) {
      const next = at.nextSibling;
      adopt(at, child);
      at = next;
    } else {
      const made = document.importNode(child, true);
      old.insertBefore(made, at);
      decorate(made);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

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
        const before = main.querySelectorAll(".turn, .sessions tbody tr").length;
        adopt(main, fresh);
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
  const shown = block.querySelector(":scope > pre.text, :scope > .json");
  let done = false;
  try {
    const text = block.dataset.block
      ? await (await get(block.dataset.block, "text/plain")).text()
      : shown.textContent;
    done = await put(text);
  } catch {
    done = false;
  }
  button.textContent = done ? "Copied" : "Not copied";
  live && (live.textContent = button.textContent);
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

async function put(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  // Browsers have a clipboard only for https and this machine.
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
  for (const time of node.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const pad = (number) => String(number).padStart(2, "0");
    const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
    const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
    time.textContent = "day" in time.dataset ? `${day} ${clock}` : `${clock}:${pad(at.getSeconds())}`;
  }
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

document.addEventListener("toggle", (event) => event.target.open && fill(event.target), true);

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

document.addEventListener("keydown", (event) => {
  const search = document.querySelector(".top input");
  const writes = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.nodeName);
  if (event.key === "/" && search && !writes && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    search.focus();
  }
});

// mitmweb's password must not stay in the address bar.
const given = new URLSearchParams(location.search);
if (given.has("token")) {
  given.delete("token");
  history.replaceState(null, "", `${location.pathname}${given.size ? `?${given}` : ""}${location.hash}`);
}
decorate(document.body);
addEventListener("hashchange", follow);
follow();
if (main.dataset.version) {
  document.addEventListener("visibilitychange", refresh);
  timer = setTimeout(refresh, EVERY);
}
