// Opens a page in Chromium, plays its user until the page comes to an end, and prints one JSON line:
//
//   outcome, text   how the page ended, and what it shows: the user's id, or the error
//   pages           where the window was
//   fetched         what the page's own script asked for, by any method
//   console         the errors that the browser reported
//
// URLs are without their query, which may hold codes. The screenshot is page.png in E2E_LOGS.
import { join } from 'node:path';
import { chromium } from 'playwright-core';

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const start = new URL(required('E2E_PAGE_URL'));
const bare = (url) => url.split(/[?#]/, 1)[0];

const context = await chromium.launchPersistentContext(required('E2E_WORK'), {
  executablePath: required('E2E_CHROMIUM'),
  viewport: { width: 900, height: 500 },
  // Nothing but what the page does may reach the network.
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
const page = context.pages()[0] ?? await context.newPage();
page.setDefaultTimeout(120_000);

const seen = { pages: [], fetched: [], console: [] };
page.on('framenavigated', (frame) => {
  console.error(`page ${bare(frame.url())}`);
  seen.pages.push(bare(frame.url()));
});
page.on('request', (request) => {
  if (request.resourceType() !== 'fetch') return;
  const line = `${request.method()} ${bare(request.url())}`;
  console.error(`fetch ${line}`);
  if (new URL(request.frame().url()).origin === start.origin) seen.fetched.push(line);
});
page.on('console', (message) => {
  console.error(`${message.type()} ${message.text()}`);
  if (message.type() === 'error') seen.console.push(message.text());
});
page.on('pageerror', (error) => console.error(error));

/** What a person does at the pages of the authorization server. */
const act = {
  'sign-in': async () => {
    await page.getByLabel('Email').fill(required('E2E_EMAIL'));
    await page.getByLabel('Password').fill(required('E2E_PASSWORD'));
    await page.getByRole('button', { name: 'Sign in' }).click();
  },
  'consent': () => page.getByRole('button', { name: 'Allow' }).click(),
};

try {
  await page.goto(start.href);
  const result = page.locator('#result[data-outcome]');
  for (;;) {
    const next = page.locator(`#${Object.keys(act).join(', #')}`).or(result);
    await next.waitFor();
    const id = await next.getAttribute('id');
    if (!act[id]) break;
    const from = page.url();
    await act[id]();
    await page.waitForURL((url) => url.href !== from);
  }
  const text = await result.textContent();
  const outcome = await result.getAttribute('data-outcome');
  console.log(JSON.stringify({ outcome, text, ...seen }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await page.screenshot({ path: join(required('E2E_LOGS'), 'page.png') });
  await context.close();
}
