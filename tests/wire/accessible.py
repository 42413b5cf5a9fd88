"""What a page needs for the keyboard and for screen readers, as a script for `chromium.Page.evaluate`."""

from __future__ import annotations

from tests.wire import chromium

CHECK = """(() => {
  const faults = [];
  // Markdown has the headings of its author.
  const isOurs = (node) => !node.closest(".rendered");
  const all = (selector) => [...document.querySelectorAll(selector)].filter(isOurs);
  const name = (node) =>
    (node.getAttribute("aria-label") || node.textContent || node.title || "").trim();
  const where = (node) => node.outerHTML.slice(0, 120);
  for (const tag of ["main", "h1"]) {
    if (all(tag).length !== 1) faults.push(`${all(tag).length} ${tag}`);
  }
  let before = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.nodeName[1]);
    if (level > before + 1) faults.push(`h${level} after h${before}: ${where(heading)}`);
    if (!name(heading)) faults.push(`empty ${where(heading)}`);
    before = level;
  }
  for (const nav of all("nav")) if (!nav.ariaLabel) faults.push(`no name: ${where(nav)}`);
  if (all("nav.top [aria-current]").length > 1) faults.push("several current pages");
  for (const node of all("[tabindex]")) {
    if (node.tabIndex > 0) faults.push(`tabindex: ${where(node)}`);
  }
  for (const node of all("a[href], button, summary")) {
    if (!name(node)) faults.push(`no name: ${where(node)}`);
  }
  for (const field of all("input, select")) {
    if (!field.ariaLabel && !field.labels.length) faults.push(`no label: ${where(field)}`);
  }
  for (const image of all("svg:not([aria-hidden])")) {
    if (!image.ariaLabel && !image.hasAttribute("aria-labelledby")) faults.push(where(image));
  }
  const ids = all("[id]").map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
  for (const node of all("[aria-labelledby]")) {
    if (!document.getElementById(node.getAttribute("aria-labelledby"))) faults.push(where(node));
  }
  return faults;
})()"""

FAINT = """(() => {
  const faults = new Set();
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const parse = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { parts: [red, green, blue], alpha };
  };
  const over = ({ parts, alpha }, below) =>
    parts.map((part, place) => part * alpha + below[place] * (1 - alpha));
  const lit = (parts) =>
    parts
      .map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode()); ) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility()) continue;
    const above = [];
    for (let each = node; each; each = each.parentElement) above.push(getComputedStyle(each));
    const ground = above
      .map((style) => parse(style.backgroundColor))
      .reduceRight((below, colour) => over(colour, below), isDark ? [18, 18, 18] : [255, 255, 255]);
    const colour = parse(above[0].color);
    for (const style of above) colour.alpha *= style.opacity;
    const [low, high] = [lit(over(colour, ground)), lit(ground)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) faults.add(`${contrast.toFixed(1)}: ${node.outerHTML.slice(0, 120)}`);
  }
  return [...faults];
})()"""
"""The texts whose contrast is below 4.5, as in WCAG 2.2, 1.4.3."""

FOCUS = """(() => {
  const focused = document.activeElement;
  const style = getComputedStyle(focused);
  return [focused.nodeName, style.outlineStyle, parseFloat(style.outlineWidth)];
})()"""


def faults(page: chromium.Page) -> list[str]:
    found: list[str] = page.evaluate(CHECK) + faint(page)
    return found


def faint(page: chromium.Page) -> list[str]:
    found: list[str] = page.evaluate(FAINT)
    return found


def has_visible_focus(page: chromium.Page, steps: int = 6) -> bool:
    """Whether each of the first elements that the Tab key reaches shows it."""
    for _ in range(steps):
        page.press("Tab")
        node, style, width = page.evaluate(FOCUS)
        if node == "BODY" or style == "none" or width < 1:
            return False
    return True
