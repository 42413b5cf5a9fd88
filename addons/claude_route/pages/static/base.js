// What all pages share: times in the viewer's zone, parts that change in place, and the way to the search.
"use strict";

async function get(url, accept = "text/html") {
  const answer = await fetch(url, {
    headers: { accept },
    cache: "no-store",
    signal: AbortSignal.timeout(20000),
  });
  if (!answer.ok) throw new Error(`the proxy answers ${answer.status}`);
  return answer;
}

// A page from the server, as it stands there but with local times.
async function page(url) {
  const fresh = new DOMParser().parseFromString(await (await get(url)).text(), "text/html");
  localise(fresh);
  return fresh;
}

function why(error) {
  return error.name === "Error" ? error.message : "the proxy can’t be reached";
}

// The server writes times in UTC, and the zone once.
function localise(node) {
  for (const time of node.querySelectorAll("time[datetime], [data-at]")) {
    const at = new Date(time.dateTime || time.dataset.at);
    const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
    const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
    if ("at" in time.dataset) time.textContent = clock + time.textContent.slice(clock.length);
    else time.textContent = "day" in time.dataset ? `${day} ${clock.slice(0, 5)}` : clock;
  }
  for (const zone of node.querySelectorAll("[data-zone]")) zone.textContent = zoneName();
}

function two(number) {
  return String(number).padStart(2, "0");
}

function zoneName() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone || "your time zone";
  const ahead = -new Date().getTimezoneOffset();
  if (!ahead) return name;
  const [hours, minutes] = [Math.floor(Math.abs(ahead) / 60), Math.abs(ahead) % 60];
  return `${name} (UTC${ahead < 0 ? "−" : "+"}${hours}${minutes ? `:${two(minutes)}` : ""})`;
}

// Changes only what differs, so that what is open, selected or focused stays. Children with an id are
// found again wherever they are. `made` is called with what is new.
function adopt(old, fresh, made = () => {}) {
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
      adopt(known, child, made);
    } else if (at && !at.id && !child.id) {
      const next = at.nextSibling;
      adopt(at, child, made);
      at = next;
    } else {
      const added = document.importNode(child, true);
      old.insertBefore(added, at);
      made(added);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

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
  const rest = given.size ? `?${given}` : "";
  history.replaceState(null, "", `${location.pathname}${rest}${location.hash}`);
}
localise(document);
