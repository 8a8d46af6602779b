// The console: signs in, watches, and shows the page of the address. Only routes between them.

import { effect } from '@preact/signals';
import { render } from 'preact';
import * as cluster from './cluster';
import * as dev from './dev';
import * as feed from './feed';
import { ChartsPage } from './pages/charts';
import { ClusterPage } from './pages/cluster';
import { EventsPage } from './pages/events';
import { NodePage } from './pages/node';
import { RoomPage } from './pages/room';
import { RoomsPage } from './pages/rooms';
import { Empty } from './parts';
import { follow, route } from './route';
import * as session from './session';
import { Shell } from './shell';
import { SignIn } from './signin';

function Page() {
  const now = route.value;
  switch (now.page) {
    case 'cluster': return <ClusterPage />;
    case 'node': return <NodePage key={now.id} id={now.id} />;
    case 'rooms': return <RoomsPage node={now.node} />;
    case 'room': return <RoomPage key={now.id} id={now.id} />;
    case 'events': return <EventsPage key={now.filter} filter={now.filter} />;
    case 'charts': return <ChartsPage />;
    default: return <Empty title="There is no such page"><a href="#/">To the cluster</a></Empty>;
  }
}

function Console() {
  return session.token.value === null ? <SignIn /> : <Shell><Page /></Shell>;
}

session.begin();
follow();
effect(() => {
  if (session.token.value === null) {
    cluster.end();
    feed.end();
    return;
  }
  cluster.begin();
  void dev.look();
  feed.begin((type) => { if (type.startsWith('node.')) cluster.refresh(); });
});
effect(() => {
  const now = route.value;
  const name = 'id' in now ? now.id : now.page;
  document.title = `${name} · Starling`;
});
render(<Console />, document.getElementById('app')!);
