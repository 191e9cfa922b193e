#!/usr/bin/env node
// The "browser" of clients that start one: BROWSER names this file, and the test driver's user logs in.
const open = new URL('open', process.env.E2E_LOGIN_URL);
open.searchParams.set('url', process.argv[2]);
const answer = await fetch(open);
if (!answer.ok) {
  console.error(await answer.text());
  process.exitCode = 1;
}
