// Around every page: where one may go, and whether the node answers.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { first, here, living, watch } from './cluster';
import { Dialog, Said } from './dialog';
import { state as feedState } from './feed';
import { many } from './format';
import { Icon, type IconName } from './icons';
import { doorOf, elsewhere } from './doors';
import { Dot, Empty } from './parts';
import { route } from './route';
import { capital } from './say';
import { signOut, token } from './session';

const PAGES: { href: string; name: string; icon: IconName; of: string[] }[] = [
  { href: '#/', name: 'Cluster', icon: 'map', of: ['cluster', 'node'] },
  { href: '#/rooms', name: 'Rooms', icon: 'rooms', of: ['rooms', 'room'] },
  { href: '#/events', name: 'Events', icon: 'events', of: ['events'] },
  { href: '#/charts', name: 'Charts', icon: 'charts', of: ['charts'] },
];

export function Shell({ children }: { children: ComponentChildren }) {
  const failing = (watch.value?.contact.value.failures ?? 0) > 0;
  const shown = useRef(route.value);
  useEffect(() => {
    // Who goes to another page goes on from its top, by keyboard and screen reader too.
    if (shown.current === route.value) return;
    shown.current = route.value;
    document.getElementById('content')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [route.value]);
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>To the content</a>
      <header class="top">
        <a class="brand" href="#/" aria-label="Starling, cluster"><i class="bird" aria-hidden="true" /><span>Starling</span></a>
        <nav aria-label="Pages">
          {PAGES.map(({ href, name, icon, of }) => (
            <a key={name} href={href} aria-current={of.includes(route.value.page) ? 'page' : undefined}>
              <Icon name={icon} /><span>{name}</span>
            </a>
          ))}
        </nav>
        <div class="right">
          <Pulse failing={failing} />
          <button type="button" class="ghost" aria-label="Sign out" title="Sign out" onClick={() => signOut()}>
            <Icon name="out" />
          </button>
        </div>
      </header>
      {failing && <Silence />}
      <main id="content" tabIndex={-1} class={failing && !first.value ? 'stale' : ''}>
        {first.value ? <Empty title={failing ? 'The node does not answer' : 'Asking the node…'} /> : children}
      </main>
      <Dialog />
      <Said />
    </>
  );
}

/** The fragment says which page is shown, so that this link cannot be followed as others are. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

function Pulse({ failing }: { failing: boolean }) {
  const live = feedState.value === 'live' && !failing;
  const text = failing ? 'no answer' : first.value ? 'connecting' : `${many(living.value.length, 'node')}, by ${here.value?.id ?? 'this node'}`;
  return (
    <span class={failing ? 'pulse bad' : live ? 'pulse live' : 'pulse'}
      title={live ? 'Polled, and told of events at once' : 'Polled'}>{text}</span>
  );
}

/** Doors beside the one that is closed: most that are offered. */
const MAX_DOORS = 3;

/** The node does not answer: since when, when it is asked again, and who else has a console. */
function Silence() {
  const contact = watch.value!.contact.value;
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => again((n) => n + 1), 250);
    return () => clearInterval(timer);
  }, []);
  const doors = elsewhere(here.value, living.value.map(({ info }) => info), location.origin).slice(0, MAX_DOORS);
  const seconds = Math.max(0, Math.ceil((contact.nextAt - Date.now()) / 1000));
  return (
    <div class="banner bad" role="alert">
      <span class="wrap">
        {here.value?.id ?? 'The node'} that serves this page does not answer ({capital(contact.why) || 'no reason given'}).
        What is shown is the last that was known.
        {doors.length > 0 && (
          <span>Go on at {doors.map((node) => (
            <a key={node.id} class="door" href={doorOf(node, location.hash, token.peek() ?? '')}><Dot id={node.id} />{node.id}</a>
          ))}</span>
        )}
      </span>
      <button type="button" onClick={() => watch.value?.now()}>
        {seconds > 0 ? `Try again (${seconds} s)` : 'Trying…'}
      </button>
    </div>
  );
}
