// Drives Chromium for a test: POST {"run": command, …} answers {"value": …} or {"error": …}. The commands are below. The
// first line on standard output is where it listens. Windows share nothing with each other; tabs of a window share cookies.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** How long the browser may take for anything: slower than a slow machine. */
const patience = 60_000;

const audit = readFileSync(new URL('audit.js', import.meta.url), 'utf8');
const bare = (url) => url.split(/[?#]/, 1)[0];

const browser = await chromium.launch({
  executablePath: required('E2E_CHROMIUM'),
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
    // Names of the test's own web sites; everything else is on loopback by its number, or does not exist.
    `--host-resolver-rules=${process.env.E2E_HOSTS ?? ''}`,
  ],
});

const windows = [];
const tabs = [];

/** What the browser says of a tab: its complaints, and the requests for documents. URLs are without their query. */
async function watch(page) {
  const seen = { complaints: [], documents: [] };
  const complain = (where, text) => {
    console.error(`complaint ${bare(where)} ${text}`);
    seen.complaints.push({ page: bare(where), text });
  };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complain(message.location().url || page.url(), message.text());
  });
  page.on('pageerror', (error) => complain(page.url(), String(error)));
  page.on('request', (request) => {
    if (!request.isNavigationRequest()) return;
    console.error(`${request.method()} ${bare(request.url())}`);
    seen.documents.push(`${request.method()} ${bare(request.url())}`);
  });
  // What DevTools lists as issues: violations of the Content-Security-Policy, cookies that were refused, and more.
  const session = await page.context().newCDPSession(page);
  session.on('Audits.issueAdded', ({ issue }) => {
    const cookie = issue.details.cookieIssueDetails;
    const csp = issue.details.contentSecurityPolicyIssueDetails;
    if (csp) complain(page.url(), `${issue.code}: ${csp.violatedDirective}`);
    else if (cookie) complain(cookie.cookieUrl ?? page.url(), `${issue.code}: ${[...cookie.cookieExclusionReasons, ...cookie.cookieWarningReasons].join(' ')}`);
    // A login is a bounce from site to site; the browser tells tracking apart by whether somebody used the page.
    else if (issue.code !== 'BounceTrackingIssue') complain(page.url(), issue.code);
  });
  await session.send('Audits.enable');
  return seen;
}

const commands = {
  /** A window without cookies. → its number */
  async window({ script = true }) {
    const context = await browser.newContext({
      viewport: { width: 1000, height: 800 }, javaScriptEnabled: script,
      ignoreHTTPSErrors: true, // the certificates are the test's own
    });
    context.setDefaultTimeout(patience);
    return windows.push(context) - 1;
  },

  close: ({ window }) => windows[window].close(),

  /** A tab of a window. → its number */
  async tab({ window }) {
    const page = await windows[window].newPage();
    return tabs.push({ page, seen: await watch(page) }) - 1;
  },

  async open({ page, url }) {
    await page.goto(url, { waitUntil: 'commit' });
    await settled(page);
  },

  async click({ page, selector, times = 1 }) {
    const button = page.locator(selector).first();
    await button.hover({ force: true, noWaitAfter: true }); // what takes no click before it was hovered for a while
    await button.click({ clickCount: times, delay: 10, noWaitAfter: true });
  },

  /** Clicks where an element is, whatever lies there: at once, or when the pointer has been there for a while. */
  async strike({ page, selector, after = 0 }) {
    const box = await page.locator(selector).first().boundingBox();
    await page.mouse.move(1, 1);
    await new Promise((next) => setTimeout(next, 1000));
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await new Promise((next) => setTimeout(next, after));
    await page.mouse.down();
    await page.mouse.up();
  },

  async press({ page, key }) {
    await page.keyboard.press(key, { noWaitAfter: true });
  },

  /** Back or forward in the tab's history. → whether there was anywhere to go */
  async travel({ page, forward = false }) {
    const before = await page.evaluate(() => performance.timeOrigin);
    const session = await page.context().newCDPSession(page);
    const { currentIndex, entries } = await session.send('Page.getNavigationHistory');
    const entry = entries[currentIndex + (forward ? 1 : -1)];
    if (!entry || entry.url === 'about:blank') return false;
    await session.send('Page.navigateToHistoryEntry', { entryId: entry.id });
    await until(async () => {
      const now = await session.send('Page.getNavigationHistory');
      return now.currentIndex !== currentIndex || await page.evaluate(() => performance.timeOrigin) !== before;
    });
    await session.detach();
    await settled(page);
    return true;
  },

  async reload({ page }) {
    await page.reload({ waitUntil: 'commit' });
    await settled(page);
  },

  /** Waits until an element is there. */
  async wait({ page, selector }) {
    await page.locator(selector).first().waitFor({ state: 'attached' });
    await settled(page);
  },

  /** → what an expression is in the page */
  evaluate: ({ page, expression }) => page.evaluate(expression),

  /** Requests that start so are never answered, and the tab stays where it is. */
  hold: ({ page, prefix }) => page.route((url) => url.href.startsWith(prefix), (route) => route.abort('aborted')),

  release: ({ page }) => page.unrouteAll({ behavior: 'ignoreErrors' }),

  /** Changes colours and width of the page. */
  async appear({ page, dark = false, width = 1000, height = 800 }) {
    await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
    await page.setViewportSize({ width, height });
  },

  /** A picture of the page, or of what the window shows of it. */
  async picture({ page, path, window = false }) {
    await page.screenshot({ path, fullPage: !window });
  },

  /** → what is wrong with the page as it is: see audit.js */
  audit: ({ page }) => page.evaluate(audit),

  /** → the page as assistive technology has it */
  outline: ({ page }) => page.locator('body').ariaSnapshot(),

  /** → address, title and status of the document, and what the browser said since the last look */
  async look({ page, seen }) {
    const status = await page.evaluate(() => performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0);
    const { complaints, documents } = seen;
    seen.complaints = [];
    seen.documents = [];
    return { url: page.url(), title: await page.title(), status, complaints, documents };
  },

  /** → the frames of the page that show a document of somebody's */
  frames: ({ page }) => page.frames().map((frame) => frame.url()).filter((url) => /^https?:/.test(url)),

  cookies: ({ window }) => windows[window].cookies(),
};

/** Waits until a condition holds. */
async function until(condition) {
  for (const end = Date.now() + patience; ;) {
    // A page that is on its way out cannot be asked.
    if (await condition().catch(() => false)) return;
    if (Date.now() > end) throw new Error('nothing happened');
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** Waits until the document is there, except where a redirect is replacing it. */
const settled = (page) => page.waitForLoadState('domcontentloaded');

const server = createServer(async (request, response) => {
  let answer;
  try {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { run, tab, ...rest } = JSON.parse(Buffer.concat(parts).toString());
    if (!Object.hasOwn(commands, run)) throw new Error(`no command ${run}`);
    answer = { value: (await commands[run]({ ...tabs[tab], ...rest })) ?? null };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(answer));
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ listening: `http://127.0.0.1:${server.address().port}` })));

process.on('SIGTERM', async () => {
  server.close();
  await browser.close();
  process.exit();
});
