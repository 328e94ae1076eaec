// The dashboard in a real browser: every role, every page, both languages, light and dark, wide and narrow; filters, a
// call with its reason, goals, and a figure that changes while calls run.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { accessible, done, expect, fault, fits, launch, watched } from './watch.mjs';

const { BASE, PASSWORD, PROGRAM, SIP, PICTURES } = process.env;
const PAGES = {
  supervisor: ['/overview', '/agents', '/agents/agent-01', '/queues', '/queues/support', '/why', '/journey', '/sampling', '/mystery', '/running', '/preview/service'],
  agent: ['/my-weeks'],
  quality: ['/tasks', '/calls', '/why', '/preview/short'],
  admin: ['/operations', '/users', '/policy', '/audit', '/preview/service'],
};
const PAST = 'origin=test&period=2026-Q4';

if (PICTURES) mkdirSync(PICTURES, { recursive: true });
const browser = await launch();

async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true });
}

async function signIn(role, options = {}) {
  const context = await browser.newContext({ baseURL: BASE, locale: 'en-GB', ...options });
  const page = await watched(context);
  await page.goto('/');
  await accessible(page, 'sign-in');
  await page.getByLabel('Name').fill(role);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.pathname === PAGES[role][0]);
  return page;
}

// Every page of every role: there, clean, and in both languages.
for (const [role, pages] of Object.entries(PAGES)) {
  const page = await signIn(role);
  for (const path of pages) {
    const response = await page.goto(`${path}?${PAST}`);
    expect(response.status() === 200, path, `status ${response.status()}`);
    await accessible(page, `${path} (en)`);
    await picture(page, `${role}${path.replaceAll('/', '-')}`);
    await page.goto(`${path}?${PAST}&lang=nl`);
    expect((await page.locator('html').getAttribute('lang')) === 'nl', path, 'is not in Dutch');
    await accessible(page, `${path} (nl)`);
    await page.goto(`${path}?${PAST}&lang=en`);
  }
  // What other roles see is refused.
  const others = Object.values(PAGES).flat().filter((path) => !pages.includes(path));
  for (const path of others.filter((path) => role === 'agent' || !path.startsWith('/preview'))) {
    const response = await page.request.get(path);
    expect(response.status() === 403, path, `the role of ${role} gets ${response.status()}`);
  }
  await page.context().close();
}

// On a phone, and in the dark.
{
  for (const [role, pages] of Object.entries(PAGES)) {
    const page = await signIn(role, { viewport: { width: 375, height: 740 }, colorScheme: 'dark' });
    for (const path of pages) {
      await page.goto(`${path}?${PAST}`);
      await fits(page, `${path} on a phone`);
      await accessible(page, `${path} in the dark`);
      await picture(page, `phone-${role}${path.replaceAll('/', '-')}`);
    }
    await page.context().close();
  }
}

const page = await signIn('supervisor');

// Filters are in the address, so that a page is a link.
await page.goto('/overview');
await page.locator('select[name=period]').selectOption('2026-Q4');
await page.locator('select[name=origin]').selectOption('test');
await page.getByRole('button', { name: 'Show' }).click();
await page.waitForURL(/period=2026-Q4.*origin=test|origin=test.*period=2026-Q4/);
expect(await page.getByText('These are trial calls').isVisible(), '/overview', 'does not say whose calls they are');
const filtered = await page.locator('.score .n').first().textContent();
const link = await page.context().newPage();
await link.goto(page.url());
expect((await link.locator('.score .n').first().textContent()) === filtered, '/overview', 'a link shows something else');
await link.close();

// A target draws a line, and says whether it is reached.
await page.getByText('Targets and benchmarks').click();
const nps = page.locator('.goals form').filter({ has: page.locator('legend', { hasText: /^NPS$/ }) });
await nps.getByLabel('Target').fill('-99');
await nps.getByLabel('Benchmark', { exact: true }).fill('31');
await nps.getByLabel('Where the benchmark comes from').fill('a survey of others');
await nps.getByRole('button', { name: 'Keep' }).click();
await page.waitForURL(/origin=test/);
await page.getByText(/Target −99: reached/).first().waitFor().catch(() => fault('/overview', 'the target is not shown'));
expect(await page.getByText('Benchmark +31 (a survey of others)').first().isVisible(), '/overview', 'nor the benchmark');
expect((await page.locator('svg.chart .target').count()) > 0, '/overview', 'no chart has the target');
await picture(page, 'overview-goals');

// Tables go out as files, with what the page shows.
async function exported(from, where) {
  const begun = from.waitForEvent('download', { timeout: 10_000 }).catch(() => fault(where, 'nothing is downloaded'));
  await from.getByText('As a file (CSV)').first().click();
  const file = await begun;
  const lines = file ? readFileSync(await file.path(), 'utf8').trim().split(/\r?\n/) : [];
  expect(file?.suggestedFilename().endsWith('.csv'), where, `the file is called ${file?.suggestedFilename()}`);
  return lines;
}
await page.goto(`/agents?${PAST}`);
const agents = await exported(page, '/agents');
expect(agents[0].startsWith('agent,'), '/agents', `the file begins with ${agents[0]}`);
const named = await page.locator('main tbody th').allTextContents();
expect(named.length > 0 && named.every((name) => agents.some((line) => line.startsWith(`${name.trim()},`))), '/agents', `the file lacks some of ${named}`);

// The keyboard reaches the content first.
await page.goto('/agents');
await page.keyboard.press('Tab');
const first = await page.evaluate(() => document.activeElement.className);
expect(first === 'skip', '/agents', `the first stop of the keyboard is ${first}`);

// A figure changes by itself while calls run.
await page.goto('/overview');
const before = await page.getByText('satisfaction').count();
const opened = page.locator('.live details', { has: page.locator('summary') }).first();
await opened.locator('summary').focus();
await page.keyboard.press('Enter');
await page.evaluate(() => { window.kept = document.activeElement; });
const calls = Array.from({ length: 5 }, (_, number) => new Promise((resolve) => {
  const call = spawn(PROGRAM, ['call', SIP, '-H', 'X-Agent-Id: zoe', '-H', 'X-Queue: live', '--do', `audio; quiet 2s; press ${number % 2 ? 5 : 4}; bye`], { stdio: 'ignore' });
  call.on('exit', resolve);
}));
const running = await signIn('supervisor');
await running.goto('/running');
await running.getByText('zoe').first().waitFor({ timeout: 30_000 }).catch(() => fault('/running', 'does not show the calls'));
await picture(running, 'running-live');
await running.context().close();
const codes = await Promise.all(calls);
expect(codes.every((code) => code === 0), 'calls', `ended with ${codes}`);
await page.locator('.live .score .n', { hasText: 'n 5 of 5 asked' }).first().waitFor({ timeout: 30_000 })
  .catch(() => fault('/overview', `does not change while it is open (${before} before)`));
const kept = await page.evaluate(() => ({
  same: document.activeElement === window.kept, open: window.kept.parentElement.open, there: window.kept.isConnected,
}));
expect(kept.same && kept.open && kept.there, '/overview', `what was open and had the focus when it changed: ${JSON.stringify(kept)}`);
await picture(page, 'overview-live');
await page.context().close();

// The administration checks the log, and makes a link for somebody new.
const admin = await signIn('admin');
await admin.goto('/audit');
await admin.getByRole('button', { name: 'Check the chain' }).click();
await admin.getByText(/each follows from the one before/).waitFor();
await accessible(admin, '/audit, checked');
await picture(admin, 'audit-checked');
await admin.goto('/users');
await admin.getByLabel('Name').fill(`new-${Date.now()}`);
await admin.getByRole('button', { name: /^Make/ }).click();
await admin.getByText('/sign-in/once?token=').waitFor();
await accessible(admin, '/users, a link');
await picture(admin, 'user-link');

// A survey is gone through by keys, and its prompts can be heard.
await admin.goto('/preview/short?in=en');
await admin.getByRole('button', { name: '5', exact: true }).click();
await admin.getByText('Over: Complete').waitFor();
await accessible(admin, '/preview, over');
await picture(admin, 'preview-over');
const heard = await admin.locator('.talk audio').first().evaluate(async (audio) => {
  audio.muted = true;
  await audio.play();
  return audio.duration;
}).catch((error) => fault('/preview', `a prompt does not play: ${error}`));
expect(heard > 0.5, '/preview', `a prompt plays for ${heard} s`);
await admin.context().close();

// Single calls want a reason, as a list, as a file and as a story.
const quality = await signIn('quality');
await quality.goto('/calls?queue=live');
await quality.getByLabel('Reason').fill('a test of the dashboard');
const file = await exported(quality, '/calls');
await quality.getByRole('button', { name: 'Look' }).click();
await quality.getByRole('button', { name: /^Story of/ }).first().waitFor();
const shown = await quality.getByRole('button', { name: /^Story of/ }).count();
expect(shown > 0 && file.length === shown + 1, '/calls', `${shown} calls are shown, and the file has ${file.length} lines`);
await quality.getByRole('button', { name: /^Story of/ }).first().click();
await quality.getByText('answered').first().waitFor();
await accessible(quality, 'a call');
await picture(quality, 'call');
// A comment is read for a reason, and heard in the story of its call.
await quality.goto('/why');
await quality.getByLabel('Reason').fill('a test of the dashboard');
await quality.getByRole('button', { name: 'Look' }).click();
await quality.getByText('spoken 23').waitFor();
await accessible(quality, '/why, comments');
await picture(quality, 'comments');
await quality.getByRole('button', { name: /^Story of/ }).first().click();
const audio = quality.locator('.said audio').first();
const played = await audio.evaluate(async (audio) => {
  audio.muted = true;
  const ended = new Promise((resolve, reject) => { audio.onended = resolve; setTimeout(() => reject('it does not end'), 10_000); });
  await audio.play();
  await ended;
  return { seconds: audio.duration, at: audio.currentTime };
}).catch((error) => { fault('a recording', `does not play: ${error}`); return {}; });
expect(Math.abs(played.seconds - 1) < 0.05 && played.at === played.seconds, 'a recording', `plays ${JSON.stringify(played)}`);
const part = await quality.request.get(await audio.getAttribute('src'), { headers: { Range: 'bytes=0-3' } });
expect(part.status() === 206 && (await part.text()) === 'RIFF', 'a recording', `a part of it: ${part.status()}`);
expect(/^bytes 0-3\/\d+$/.test(part.headers()['content-range']), 'a recording', part.headers()['content-range']);
await accessible(quality, 'a call with a recording');
await picture(quality, 'call-recording');
await quality.getByText('quality').first().click();
await quality.getByRole('button', { name: 'Sign out', exact: true }).click();
await quality.waitForURL(/sign-in/);
await quality.context().close();

await browser.close();
done();
