// A cluster whose nodes have an address each, as machines have, and an etcd of three: so that any pair of them
// can be cut, in one direction or both.

import { ProcessCluster } from './cluster.mjs';
import { cut } from './cuts.mjs';
import { EtcdTrio, portOf } from './etcd.mjs';

const [HTTP, MEDIA, LINK] = [4443, 17000, 7443];
const address = (n) => `127.0.1.${n + 1}`;

export class ApartCluster extends ProcessCluster {
  constructor(nodes, logs, settings = {}) {
    super(nodes, logs, settings);
    for (const [n, node] of this.nodes.entries()) node.url = `http://${address(n)}:${HTTP}`;
  }

  addresses(n) {
    return {
      LISTEN: `${address(n)}:${HTTP}`,
      ADMIN_LISTEN: 'listen',
      API_URL: this.nodes[n].url,
      RTC_LISTEN: address(n),
      ANNOUNCE: address(n),
      RTC_PORT: `${MEDIA}`,
      LINK_LISTEN: `${address(n)}:${LINK}`,
      LINK_ANNOUNCE: `${address(n)}:${LINK}`,
      ETCD: this.etcd.endpoints(n),
    };
  }

  async startEtcd() {
    this.etcd ??= new EtcdTrio(this.folder, this.logs, this.nodes.length);
    await this.etcd.start();
  }

  /** Nothing of the links comes from one node to another, and if `both` nothing back. */
  cutLink(from, to, both) {
    const way = (one, other) => `ip saddr ${address(one)} ip daddr ${address(other)} udp dport ${LINK}`;
    return cut(both ? [way(from, to), way(to, from)] : [way(from, to)]);
  }

  /** A node and etcd hear nothing of each other. */
  cutEtcd(n) {
    return cut([`tcp dport ${portOf(n)}`, `tcp sport ${portOf(n)}`]);
  }
}
