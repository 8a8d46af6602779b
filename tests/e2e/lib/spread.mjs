// Nodes as processes in several network namespaces, and one etcd here.

import { ProcessCluster } from './cluster.mjs';
import { starling } from './paths.mjs';

/**
 * `places` has one entry per node: `{ far, http, link, etcd, region }`, with the namespace (none: this one) and the
 * addresses at which clients and operators, other nodes, and etcd are.
 */
export class SpreadCluster extends ProcessCluster {
  constructor(places, logs, settings = {}) {
    super(places.length, logs, settings);
    this.places = places;
    for (const [n, node] of this.nodes.entries()) node.url = `http://${places[n].http}:${4443 + n}`;
  }

  addresses(n) {
    const { http, link, etcd, region } = this.places[n];
    return {
      LISTEN: `${http}:${4443 + n}`,
      ADMIN_LISTEN: 'listen',
      API_URL: this.nodes[n].url,
      RTC_LISTEN: http,
      ANNOUNCE: http,
      RTC_PORT: `${17000 + 16 * n}`,
      LINK_LISTEN: `${link}:${7443 + n}`,
      LINK_ANNOUNCE: `${link}:${7443 + n}`,
      ETCD: `http://${etcd}:2379`,
      ...(region ? { REGION: region } : {}),
    };
  }

  command(n) {
    const { far } = this.places[n];
    return far ? far.inside(starling(), ['node']) : super.command(n);
  }
}
