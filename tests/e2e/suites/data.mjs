// Data channels between Chromiums on two nodes, and a client that is no browser: many reliable messages from
// each of both kinds while packets are lost on all ways, each heard once and in order; the chat as people use it.

import { Browser } from '../lib/browser.mjs';
import { LINKS, MEDIA } from '../lib/cluster.mjs';
import { lose, loseNothing } from '../lib/namespace.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { WeriftPeer } from '../lib/werift.mjs';

/** Messages from one Chromium to the other and to werift, and then from werift to a Chromium. */
const MESSAGES = Number(process.env.MESSAGES ?? 100_000);
/** Milliseconds without anything new after which what is missing is lost: above three timeouts in a row. */
const SILENCE = 20_000;
/** Characters in each beside its number. */
const PADDING = 40;

/** Messages on each channel that is not in order, or may give up. */
const LOOSE_MESSAGES = 2000;
/** By label, how they are delivered. */
const LOOSE = {
  unordered: { ordered: false },
  once: { ordered: false, maxRetransmits: 0 },
  brief: { ordered: false, maxPacketLifeTime: 150 },
};

/** @param {object} at cluster and report; `losses` in percent */
export async function data({ cluster, report, losses = 2 }) {
  const browser = new Browser();
  const others = [];
  try {
    const people = [];
    for (const [node, name] of ['ada', 'ben'].entries()) {
      const person = await browser.person(name);
      await person.open(await cluster.page(node, 'data', name, { video: '0', audio: '0' }));
      await until(`${name} is in`, 20_000, async () => (await person.stats()).node);
      people.push(person);
    }
    const [ada, ben] = people;
    await chat(ada, ben);
    const werift = new WeriftPeer('wes');
    others.push(werift);
    await werift.join(cluster.nodes[1].url, 'data', await cluster.token('data', 'wes'));
    await warm(ada, [() => counted(ben), () => werift.counted('numbers')]);
    await ears(werift, ada);
    await heardInOrder({
      report, losses, from: 'chromium',
      count: () => ada.page.evaluate(([n, padding]) => window.starling.count('numbers', n, padding), [MESSAGES, PADDING]),
      ears: { chromium: () => counted(ben), werift: () => werift.counted('numbers') },
    });
    await heardInOrder({
      report, losses, from: 'werift',
      count: () => werift.count('numbers', MESSAGES, PADDING),
      ears: { chromium: () => counted(ada) },
    });
    for (const [label, how] of Object.entries(LOOSE)) {
      await loose({ report, losses, ada, ben, label, how });
    }
    for (const person of people) {
      for (const error of person.errors) report.fail(`data: ${person.name}: ${error}`);
    }
  } finally {
    others.forEach((other) => other.leave());
    await browser.stop();
  }
}

/** One says the numbers, with losses on all ways; each ear hears them all, and in order. */
async function heardInOrder({ report, losses, from, count, ears }) {
  if (losses) lose(losses, MEDIA, LINKS);
  const began = performance.now();
  const heard = () => Promise.all(Object.values(ears).map((ear) => ear()));
  const said = count();
  said.catch(() => {});
  try {
    // Whoever hears nothing new for so long will not hear the rest.
    await moving('all was heard', SILENCE, heard);
    await said;
  } catch (error) {
    report.fail(`data: from ${from}: ${error.message}`);
  } finally {
    if (losses) report.put(`data_from_${from}_datagrams_dropped`, loseNothing());
  }
  const seconds = (performance.now() - began) / 1000;
  for (const [who, ear] of Object.entries(ears)) {
    const { next, wrong } = await ear();
    const name = `data_${from}_to_${who}`;
    report.check(`${name}_in_order_n${MESSAGES}`, next, (n) => n === MESSAGES, `${MESSAGES}`);
    report.check(`${name}_out_of_order_n${MESSAGES}`, wrong, (n) => n === 0, '0');
  }
  report.put(`data_from_${from}_messages_per_second_loss${losses}pct`, MESSAGES / seconds);
  console.log(`  data: ${MESSAGES} from ${from} with ${losses} % loss in ${seconds.toFixed(1)} s`);
}

/** One says the numbers on a channel that is not in order: none is heard twice, and where nothing is given up, all are. */
async function loose({ report, losses, ada, ben, label, how }) {
  const heard = () => ben.ask((of) => {
    const counted = window.starling.counted.get(of);
    return counted ? { ...counted, ahead: counted.ahead.size } : { next: 0, other: 0, twice: 0, ahead: 0 };
  }, label);
  await until(`${label} is heard`, 30_000, async () => {
    await ada.ask(([of, kind]) => window.starling.say(of, 'ready?', kind), [label, how]);
    await sleep(200);
    return (await heard()).other > 0;
  });
  if (losses) lose(losses, MEDIA, LINKS);
  try {
    await ada.page.evaluate(
      ([of, n, padding, kind]) => window.starling.count(of, n, padding, kind), [label, LOOSE_MESSAGES, PADDING, how]);
    let [before, since] = [-1, performance.now()];
    // Given up or not: what has not come after this will not.
    while (performance.now() - since < 5000) {
      const { next, ahead } = await heard();
      if (next + ahead !== before) [before, since] = [next + ahead, performance.now()];
      if (before >= LOOSE_MESSAGES) break;
      await sleep(100);
    }
  } finally {
    if (losses) loseNothing();
  }
  const { next, ahead, twice } = await heard();
  const all = how.maxRetransmits === undefined && how.maxPacketLifeTime === undefined;
  const least = all ? LOOSE_MESSAGES : LOOSE_MESSAGES / 2;
  const enough = (n) => n >= least && n <= LOOSE_MESSAGES;
  report.check(`data_${label}_heard_n${LOOSE_MESSAGES}`, next + ahead, enough, `>= ${least}`);
  report.check(`data_${label}_heard_twice`, twice, (n) => n === 0, '0');
  console.log(`  data: ${next + ahead} of ${LOOSE_MESSAGES} ${label} with ${losses} % loss, ${ahead} out of order`);
}

/** Waits until all have heard all, as long as somebody hears more. */
async function moving(what, silence, heard) {
  let [sum, since] = [-1, performance.now()];
  for (;;) {
    const now = await heard();
    if (now.every(({ next, wrong }) => next + wrong >= MESSAGES)) return;
    const next = now.reduce((all, it) => all + it.next + it.wrong, 0);
    if (next !== sum) [sum, since] = [next, performance.now()];
    const figures = now.map((it) => it.next).join(', ');
    if (performance.now() - since > silence) throw new Error(`${what}: only ${figures}, and no more for ${silence} ms`);
    await sleep(100);
  }
}

function counted(person) {
  return person.ask(() => window.starling.counted.get('numbers') ?? { next: 0, other: 0, wrong: 0 });
}

/** Says something else until everybody has heard it: from then on, nothing may be missing. */
async function warm(person, ears) {
  await until('the channel is heard', 30_000, async () => {
    await person.ask(() => window.starling.say('numbers', 'ready?'));
    await sleep(200);
    return (await Promise.all(ears.map((ear) => ear()))).every((heard) => heard.other > 0);
  });
}

/** The same of werift. */
async function ears(werift, person) {
  await until('werift is heard', 30_000, async () => {
    await werift.say('numbers', 'ready?');
    await sleep(200);
    return (await counted(person)).other > 0;
  });
}

/** As people use it. */
async function chat(ada, ben) {
  await until('the chat is open', 20_000, async () => {
    await ada.ask(() => window.starling.say('chat', 'knock'));
    await sleep(200);
    return ben.ask(() => document.querySelector('.chat li') !== null);
  });
  await ada.page.click('button[aria-label="Chat"]', { timeout: 5000 });
  await ada.page.fill('.chat input', 'Hello Ben', { timeout: 5000 });
  await ada.page.press('.chat input', 'Enter', { timeout: 5000 });
  await ben.page.waitForSelector('.chat li:has-text("Hello Ben")', { timeout: 5000, state: 'attached' });
}
