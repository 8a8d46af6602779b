// Data channels of a seat: those it sends on, opened when they are first used, and those of the others.
// Never does: know what is said on them.

import type { types } from 'mediasoup-client';
import type { Data } from './protoo.js';

/** What is said on a channel. */
export interface Said {
  peerId: string;
  label: string;
  text: string;
}

/** How a channel delivers; a browser's own default is in order, and nothing is given up. */
export interface How {
  ordered: boolean;
  maxRetransmits?: number;
  maxPacketLifeTime?: number;
}

const RELIABLE: How = { ordered: true };

type Request = (method: string, data: Data) => Promise<Data>;

/** Bytes that may wait in the browser; above, `say` waits. Chrome closes a channel at 16 MB. */
const WAITING = 256 * 1024;

export class Channels {
  private readonly own = new Map<string, Promise<types.DataProducer>>();
  private readonly others = new Map<string, types.DataConsumer>();

  constructor(private readonly heard: (said: Said) => void) {}

  /** Lets the transport open channels. */
  sendOn(transport: types.Transport, request: Request): void {
    transport.on('producedata', ({ sctpStreamParameters, label, protocol, appData }, done, failed) => {
      const transportId = transport.id;
      request('produceData', { transportId, sctpStreamParameters, label, protocol, appData })
        .then(({ dataProducerId }) => done({ id: dataProducerId }), failed);
    });
  }

  /** Says something to everybody else; unless told otherwise, in order, and nothing is lost while the node lives. */
  async say(transport: types.Transport, label: string, text: string, how = RELIABLE): Promise<void> {
    const channel = await this.open(transport, label, how);
    while (channel.bufferedAmount > WAITING) await drained(channel);
    channel.send(text);
  }

  /** The node says that somebody can be heard. */
  async listen(transport: types.Transport, data: Data): Promise<void> {
    const consumer = await transport.consumeData({
      id: data.dataConsumerId,
      dataProducerId: data.dataProducerId,
      sctpStreamParameters: data.sctpStreamParameters,
      label: data.label,
      protocol: data.protocol,
      appData: data.appData,
    });
    const { peerId, label } = data;
    consumer.on('message', (text: unknown) => this.heard({ peerId, label, text: String(text) }));
    this.others.set(consumer.id, consumer);
  }

  ended(dataConsumerId: string): void {
    this.others.get(dataConsumerId)?.close();
    this.others.delete(dataConsumerId);
  }

  /** The channel of that label, opened if it is not. */
  open(transport: types.Transport, label: string, how = RELIABLE): Promise<types.DataProducer> {
    const known = this.own.get(label);
    if (known) return known;
    const opened = transport.produceData({ ...how, label, appData: { channel: label } })
      .then(async (channel) => {
        channel.bufferedAmountLowThreshold = WAITING / 2;
        if (channel.readyState !== 'open') await new Promise((done) => channel.once('open', () => done(null)));
        return channel;
      });
    this.own.set(label, opened);
    // What failed may be tried again; who asked hears why.
    opened.catch(() => this.own.delete(label));
    return opened;
  }
}

function drained(channel: types.DataProducer): Promise<void> {
  return new Promise((done) => channel.once('bufferedamountlow', () => done()));
}
