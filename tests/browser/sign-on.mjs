// Single sign-on, as people meet it: to the provider and back, with the role that their group has here.
import { start } from './provider.mjs';
import { accessible, done, expect, launch, watched } from './watch.mjs';

const { BASE, PROVIDER_PORT } = process.env;
const server = await start(Number(PROVIDER_PORT), `${BASE}/sign-in/oidc/callback`);
const browser = await launch();

async function arrive(name, wish = '/') {
  const context = await browser.newContext({ baseURL: BASE });
  const page = await context.newPage();
  await page.goto(wish);
  await page.getByRole('link', { name: 'Sign in with the company account' }).click();
  await page.locator('input[name=login]').fill(name);
  await page.locator('input[name=password]').fill('anything');
  await page.locator('button[type=submit]').click();
  const consent = page.getByRole('button', { name: 'Continue' });
  await consent.or(page.locator('.brand')).first().waitFor();
  if (await consent.isVisible()) await consent.click();
  await page.locator('.brand').waitFor();
  return page;
}

const path = (page) => new URL(page.url()).pathname;

const lead = await arrive('lead', '/agents');
expect(path(lead) === '/agents', 'lead', `wanted /agents and is on ${path(lead)}`);
expect((await lead.locator('.account').textContent()).includes('Supervisor'), 'lead', 'is no supervisor');
const cookies = await lead.context().cookies(BASE);
const session = cookies.find((cookie) => cookie.name === 'aftercall');
expect(session?.httpOnly && session.sameSite === 'Lax', 'lead', 'has another cookie');
expect((await lead.request.get('/calls')).status() === 403, 'lead', 'sees single calls');

const one = await arrive('one');
expect(path(one) === '/my-weeks', 'one', `is on ${path(one)}`);

// Nobody comes in without a role, nor with what another browser was given.
const stranger = await arrive('stranger');
expect(path(stranger) === '/sign-in/oidc/callback', 'stranger', `is on ${path(stranger)}`);
expect(await stranger.getByText('Your account has no role here').isVisible(), 'stranger', 'is not told why');
await accessible(stranger, 'a refused sign-in');
const context = await browser.newContext({ baseURL: BASE });
const page = await watched(context);
const forged = await page.request.get('/sign-in/oidc/callback?code=x&state=y');
expect(forged.status() === 401, 'forged', `status ${forged.status()}`);
const begun = await page.request.get('/sign-in/oidc', { maxRedirects: 0 });
const state = new URL(begun.headers().location).searchParams.get('state');
const guessed = await page.request.get(`/sign-in/oidc/callback?code=x&state=${state}`);
expect(guessed.status() === 401, 'guessed', `status ${guessed.status()}`);
const other = await browser.newContext({ baseURL: BASE });
const begunAgain = await page.request.get('/sign-in/oidc', { maxRedirects: 0 });
const another = new URL(begunAgain.headers().location).searchParams.get('state');
const carried = await other.request.get(`/sign-in/oidc/callback?code=x&state=${another}`);
expect(carried.status() === 401, 'carried', `status ${carried.status()}`);

// A provider that is away keeps nobody with a password out.
server.closeAllConnections();
await new Promise((resolve) => server.close(resolve));
const away = await page.request.get('/sign-in/oidc', { maxRedirects: 0 });
expect([302, 303, 502].includes(away.status()), 'away', `status ${away.status()}`);

await browser.close();
done();
