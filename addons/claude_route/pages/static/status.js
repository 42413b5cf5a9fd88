// Fetches the page repeatedly, and updates only the parts that have changed, so that a selection, the
// focus and the scroll position stay.
"use strict";

const EVERY = 2000; // milliseconds

const note = document.getElementById("note");
let timer = 0;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    const fresh = await page(location.origin + location.pathname);
    adopt(document.querySelector("main"), fresh.querySelector("main"));
    note.hidden = true;
  } catch (error) {
    note.textContent = `Not up to date: ${why(error)}. Trying again …`;
    note.hidden = false;
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, EVERY);
}

document.addEventListener("visibilitychange", refresh);
timer = setTimeout(refresh, EVERY);
