// Data channels between Chromiums on two nodes, and a client that is no browser: many reliable messages
// while packets are lost on all ways, each heard once and in order; the chat as people use it.

import { Browser } from '../lib/browser.mjs';
import { LINKS, MEDIA } from '../lib/cluster.mjs';
import { lose, loseNothing } from '../lib/namespace.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { WeriftPeer } from '../lib/werift.mjs';

/** Messages from one Chromium to the other and to werift. */
const MESSAGES = Number(process.env.MESSAGES ?? 5_000);
/** Characters in each beside its number. */
const PADDING = 40;

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
    lose(losses, MEDIA, LINKS);
    const began = performance.now();
    try {
      await ada.page.evaluate(([n, padding]) => window.starling.count('numbers', n, padding), [MESSAGES, PADDING]);
      await until('all was heard', 120_000, async () => {
        const heard = [await counted(ben), werift.counted('numbers')];
        return heard.every((it) => it.next + it.wrong >= MESSAGES);
      }).catch((error) => report.fail(`data: ${error.message}`));
    } finally {
      report.put('data_datagrams_dropped', loseNothing());
    }
    const seconds = (performance.now() - began) / 1000;
    for (const [who, heard] of [
      ['chromium', await counted(ben)], ['werift', werift.counted('numbers')],
    ]) {
      report.check(`data_${who}_in_order_n${MESSAGES}`, heard.next, (n) => n === MESSAGES, `${MESSAGES}`);
      report.check(`data_${who}_out_of_order_n${MESSAGES}`, heard.wrong, (n) => n === 0, '0');
    }
    report.put(`data_messages_per_second_loss${losses}pct`, MESSAGES / seconds);
    for (const person of people) {
      for (const error of person.errors) report.fail(`data: ${person.name}: ${error}`);
    }
    console.log(`  data: ${MESSAGES} messages with ${losses} % loss in ${seconds.toFixed(1)} s`);
  } finally {
    others.forEach((other) => other.leave());
    await browser.stop();
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
