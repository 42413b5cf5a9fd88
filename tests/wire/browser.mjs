// Drives headless Chromium for browser.py: a JSON object a line on stdin, its answer on stdout.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../.tools/", import.meta.url));
const { chromium } = require("playwright-core");

const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

let page;

// What went wrong inside the page, and what it asked for: a test may want none of it.
let complaints = [];
let requests = [];

const steps = {
  async open({ width, height, scheme, password, zone }) {
    await page?.context().close();
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      timezoneId: zone ?? undefined,
      deviceScaleFactor: 2,
      httpCredentials: password == null ? undefined : { username: "me", password },
    });
    page = await context.newPage();
    page.setDefaultTimeout(30000);
    complaints = [];
    requests = [];
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));
  },
  async goto({ url }) {
    return (await page.goto(url)).status();
  },
  click: ({ selector }) => page.locator(selector).first().click(),
  fill: ({ selector, value }) => page.locator(selector).first().fill(value),
  press: ({ key }) => page.keyboard.press(key),
  wait: ({ selector }) => page.locator(selector).first().waitFor(),
  wait_for_text: ({ text }) =>
    page.waitForFunction((text) => document.body.innerText.includes(text), text).then(() => null),
  text: ({ selector }) => page.locator(selector).first().innerText(),
  texts: ({ selector }) => page.locator(selector).allInnerTexts(),
  html: ({ selector }) => page.locator(selector).first().innerHTML(),
  aria: ({ selector }) => page.locator(selector).first().ariaSnapshot(),
  evaluate: ({ script }) => page.evaluate(script),
  screenshot: ({ path, whole }) => page.screenshot({ path, fullPage: whole }).then(() => null),
  complaints: () => complaints,
  requests: () => requests,
};

for await (const line of createInterface({ input: process.stdin })) {
  const { step, ...how } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await steps[step](how)) ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
