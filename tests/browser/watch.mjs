// A page under watch: whatever its console says, whatever its policy forbids and whatever axe finds is a fault.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const faults = [];

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export function fault(where, what) {
  faults.push(`${where}: ${what}`);
}

export async function watched(context) {
  const page = await context.newPage();
  const where = () => new URL(page.url() === 'about:blank' ? 'http://new/' : page.url()).pathname;
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) fault(where(), `console: ${message.text()}`);
  });
  page.on('pageerror', (error) => fault(where(), `script: ${error.message}`));
  page.on('requestfailed', (request) => {
    const left = request.failure()?.errorText === 'net::ERR_ABORTED'; // A stream ends when its page is left.
    if (!left) fault(where(), `request ${request.url()}: ${request.failure()?.errorText}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  return page;
}

export async function accessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  for (const one of found.violations) {
    fault(what, `axe ${one.id}: ${one.help} (${one.nodes.slice(0, 3).map((node) => node.html).join(' | ')})`);
  }
}

export async function fits(page, what) {
  const [inner, wide] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
  if (wide > inner) fault(what, `is ${wide} wide on a screen of ${inner}`);
}

export function expect(condition, where, what) {
  if (!condition) fault(where, what);
}

export function done() {
  if (faults.length > 0) {
    console.error(faults.join('\n'));
    process.exit(1);
  }
}

// What was found before a script broke is told too.
process.on('uncaughtException', (error) => {
  fault('the script', error.stack);
  done();
});
