// Fetches the page repeatedly, and updates only the parts that have changed, so that a selection, the
// focus and the scroll position stay.
"use strict";

const EVERY = 2000; // milliseconds

const note = document.getElementById("note");
let timer = 0;

function adopt(old, fresh) {
  if (old.nodeName !== fresh.nodeName) {
    old.replaceWith(document.importNode(fresh, true));
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const children = [...old.childNodes];
    fresh.childNodes.forEach((child, index) => {
      if (index < children.length) adopt(children[index], child);
      else old.append(document.importNode(child, true));
    });
    children.slice(fresh.childNodes.length).forEach((child) => child.remove());
  } else if (old.data !== fresh.data) {
    old.data = fresh.data;
  }
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const answer = await fetch(location.origin + location.pathname, {
      headers: { accept: "text/html" },
      cache: "no-store",
      signal: AbortSignal.timeout(10000),
    });
    if (!answer.ok) throw new Error(`the proxy answers ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    adopt(document.querySelector("main"), fresh.querySelector("main"));
    note.hidden = true;
  } catch (error) {
    const why = error.name === "Error" ? error.message : "the proxy can’t be reached";
    note.textContent = `Not up to date: ${why}. Trying again …`;
    note.hidden = false;
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, EVERY);
}

// mitmweb's password must not stay in the address bar.
if (location.search) history.replaceState(null, "", location.pathname);
document.addEventListener("visibilitychange", refresh);
timer = setTimeout(refresh, EVERY);
